// KernelWizard (Tran et al., "Explore Image Deblurring via Encoded Blur Kernel Space", CVPR 2021): a
// configuration that its tensors determine completely.
#include <set>

#include "kernels/error.hpp"
#include "weights/config_values.hpp"
#include "weights/unet_inference.hpp"

namespace tweedie {

using nlohmann::json;

bool looks_like_kernel_wizard(const TensorShapes& shapes) {
  return shapes.contains("feature_extractor.0.weight") && shapes.contains("adapter.model.down.0.weight") &&
         shapes.contains("recon_trunk.0.conv1.weight");
}

namespace {

Extents shape_of(const TensorShapes& shapes, const std::string& name, const std::string& where) {
  const auto found = shapes.find(name);
  require(found != shapes.end(), where, ": not a KernelWizard: there is no tensor ", name);
  require(found->second.size() == 4, where, ": not a KernelWizard: ", name, " has shape ",
          to_string(found->second), ", expected 4 dimensions");
  return found->second;
}

// Consecutive residual blocks PREFIX<first>.conv1, PREFIX<first + 1>.conv1, ...
int residual_blocks(const TensorShapes& shapes, const std::string& prefix, int first) {
  int count = 0;
  while (shapes.contains(prefix + std::to_string(first + count) + ".conv1.weight")) ++count;
  return count;
}

// Settings of bkse's option file that say nothing about the part that is kept.
const std::set<std::string> ignored_keys = {
    "name",      "pretrained", "N_frames",        "img_size", "use_sharp",    "use_vae",  "norm",
    "init_type", "init_gain",  "KernelExtractor", "Adapter",  "padding_type", "Generator"};

}  // namespace

json resolve_kernel_wizard_config(const TensorShapes& shapes, const json& settings,
                                  const std::string& where) {
  const Extents stem = shape_of(shapes, "feature_extractor.0.weight", where);
  const std::string core = "adapter.model.submodule.submodule.submodule.submodule.";
  const std::int64_t code = shape_of(shapes, core + "up.1.weight", where)[0];
  const std::int64_t inner = shape_of(shapes, core + "down.1.weight", where)[0];
  require(code > inner, where, ": not a KernelWizard: ", core, "up.1.weight takes ", code,
          " channels, expected more than the ", inner, " of ", core, "down.1.weight");
  const json config = {{"input_nc", stem[1]},
                       {"nf", stem[0]},
                       {"front_RBs", residual_blocks(shapes, "feature_extractor.", 6)},
                       {"back_RBs", residual_blocks(shapes, "recon_trunk.", 0)},
                       {"kernel_dim", code - inner}};
  if (settings.is_null()) return config;
  const json& stated = settings.contains("KernelWizard") ? settings.at("KernelWizard") : settings;
  require(stated.is_object(), where, ": the configuration must be `key: value` pairs");
  for (const auto& [key, value] : stated.items()) {
    if (ignored_keys.contains(key)) continue;
    require(config.contains(key), "unknown key ", key, " in a KernelWizard's configuration");
    const int number = ConfigValue(value, key, "configuration").as_int();
    require(number == config.at(key), "the configuration's ", key, " is ", number, ", but ", where, " has ",
            config.at(key).dump(), " (by its tensors)");
  }
  return config;
}

}  // namespace tweedie
