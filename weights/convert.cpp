#include "weights/convert.hpp"

#include <algorithm>
#include <filesystem>

#include "kernels/error.hpp"
#include "weights/checkpoints/byte_source.hpp"
#include "weights/checkpoints/checkpoint.hpp"
#include "weights/metric_networks.hpp"
#include "weights/unet_config.hpp"
#include "weights/unet_inference.hpp"
#include "weights/weight_file.hpp"

namespace tweedie {

using nlohmann::json;

namespace {

// The tensors to keep; a notice for every group that is not.
std::vector<TensorEntry> choose_tensors(const Checkpoint& checkpoint, std::vector<std::string>& notices) {
  std::vector<TensorEntry> kept;
  std::vector<std::string> counters;
  for (const TensorEntry& tensor : checkpoint.tensors()) {
    if (tensor.element == Element::other)
      counters.push_back(tensor.name + " (" + tensor.stored_type + ")");
    else
      kept.push_back(tensor);
  }
  if (!counters.empty()) {
    std::string names;
    for (std::size_t i = 0; i < std::min<std::size_t>(counters.size(), 8); ++i)
      names += (i > 0 ? ", " : "") + counters[i];
    if (counters.size() > 8) names += message(", ... (", counters.size(), " in all)");
    notices.push_back("left out, being of types that are not read: " + names);
  }
  return kept;
}

// KernelWizard restores with the rest of the network; the part that extracts kernels is for training.
std::vector<TensorEntry> without_kernel_extractor(std::vector<TensorEntry> tensors,
                                                  std::vector<std::string>& notices) {
  const std::size_t before = tensors.size();
  std::erase_if(tensors, [](const TensorEntry& t) { return t.name.starts_with("kernel_extractor."); });
  if (tensors.size() < before)
    notices.push_back(
        message(before - tensors.size(), " tensors kernel_extractor.* left out: they are not used"));
  return tensors;
}

std::optional<ModelSettings> stated_settings(const ConvertOptions& options) {
  require(options.config_file.empty() || options.preset.empty(),
          "give a configuration file or a preset, not both");
  if (!options.preset.empty()) return preset(options.preset);
  if (!options.config_file.empty())
    return parse_model_settings(read_config_file(options.config_file), options.config_file);
  return std::nullopt;
}

WeightFileHeader resolve_header(const TensorShapes& shapes, const ConvertOptions& options,
                                std::vector<std::string>& notices) {
  const std::string& where = options.checkpoint;
  WeightFileHeader header;
  if (looks_like_kernel_wizard(shapes)) {
    require(options.preset.empty(), "preset ", options.preset, ": ", where,
            " is a KernelWizard, not a U-Net");
    header.architecture = "kernel_wizard";
    const json settings = options.config_file.empty() ? json() : read_config_file(options.config_file);
    header.config = resolve_kernel_wizard_config(shapes, settings, where);
    header.diffusion = json::object();
    return header;
  }
  if (const auto metric = metric_architecture(shapes, where)) {
    require(options.preset.empty() && options.config_file.empty(), where, ": a network of metrics (", *metric,
            ") takes no configuration");
    header.architecture = *metric;
    header.config = header.diffusion = json::object();
    return header;
  }
  require(!shapes.empty(), where, ": holds no floating-point tensors");
  require(looks_like_unet(shapes), where,
          ": of no known architecture (guided-diffusion U-Net, KernelWizard, the networks of LPIPS and FID); "
          "its ",
          shapes.size(), " tensors begin with ", shapes.begin()->first);
  const std::optional<ModelSettings> settings = stated_settings(options);
  const UNetConfig config = resolve_unet_config(shapes, settings, where);
  header.architecture = "guided_diffusion_unet";
  header.config = to_json(config);
  header.diffusion = to_json(resolve_diffusion_config(config, settings));
  if (settings && !settings->ignored.empty()) {
    std::string keys;
    for (const std::string& key : settings->ignored) keys += (keys.empty() ? "" : ", ") + key;
    notices.push_back("settings of training or sampling that a weight file does not keep: " + keys);
  }
  return header;
}

Element stored_element(const TensorEntry& tensor, const ConvertOptions& options) {
  if (options.dtype) return *options.dtype;
  return tensor.element == Element::f64 ? Element::f32 : tensor.element;
}

void write_tensors(WeightFileWriter& writer, const Checkpoint& checkpoint,
                   const std::vector<TensorEntry>& tensors, const ConvertOptions& options,
                   const ConvertProgress& progress) {
  std::uint64_t total = 0;
  std::uint64_t done = 0;
  const auto bytes = [](const TensorEntry& t) {
    return static_cast<std::uint64_t>(element_count(t.extents)) * 4;
  };
  for (const TensorEntry& tensor : tensors) total += bytes(tensor);
  for (const TensorEntry& tensor : tensors) {
    if (progress) progress(done, total);
    const std::vector<float> values = checkpoint.read(tensor);
    require_finite(values, options.checkpoint + ": the tensor " + tensor.name);
    writer.write(tensor.name, tensor.extents, values, stored_element(tensor, options));
    done += bytes(tensor);
  }
  if (progress) progress(done, total);
}

// A classifier becomes a LPIPS by the linear layers that it lacks.
std::optional<Checkpoint> missing_linear_layers(const std::string& architecture,
                                                const std::vector<TensorEntry>& tensors) {
  if (!architecture.starts_with("lpips_")) return std::nullopt;
  for (const TensorEntry& tensor : tensors)
    if (tensor.name.starts_with("lin")) return std::nullopt;
  return published_linear_layers(architecture.substr(6));
}

}  // namespace

ConvertReport convert_checkpoint(const ConvertOptions& options, const ConvertProgress& progress) {
  std::error_code error;
  require(!std::filesystem::equivalent(options.checkpoint, options.output, error), options.output,
          ": the output must not be the checkpoint itself");
  require(options.overwrite || !std::filesystem::exists(options.output, error), options.output,
          ": exists already; --force replaces it");
  const auto source = open_file(options.checkpoint);
  const Checkpoint checkpoint(source, options.entry);
  ConvertReport report;
  report.container = checkpoint.container();
  report.notices = checkpoint.notices();
  std::vector<TensorEntry> tensors = choose_tensors(checkpoint, report.notices);
  TensorShapes shapes;
  for (const TensorEntry& tensor : tensors) shapes[tensor.name] = tensor.extents;
  WeightFileHeader header = resolve_header(shapes, options, report.notices);
  if (header.architecture == "kernel_wizard") {
    tensors = without_kernel_extractor(std::move(tensors), report.notices);
    std::erase_if(shapes, [](const auto& each) { return each.first.starts_with("kernel_extractor."); });
  }
  if (header.architecture.starts_with("lpips_")) tensors = lpips_tensors(std::move(tensors), report.notices);
  if (options.accept) options.accept(header, shapes);

  report.sha256 = sha256_hex(*source);
  header.source = std::filesystem::path(options.checkpoint).filename().string() + " sha256:" + report.sha256;
  WeightFileWriter writer(options.output, header, {options.compression, options.overwrite});
  write_tensors(writer, checkpoint, tensors, options, progress);
  if (const auto linear = missing_linear_layers(header.architecture, tensors)) {
    report.notices.push_back("LPIPS v0.1's linear layers added, as its authors published them");
    write_tensors(writer, *linear, linear->tensors(), options, {});
    tensors.insert(tensors.end(), linear->tensors().begin(), linear->tensors().end());
  }
  writer.commit();

  report.architecture = header.architecture;
  report.config = header.config;
  report.diffusion = header.diffusion;
  report.source = header.source;
  report.tensors = static_cast<std::int64_t>(tensors.size());
  for (const TensorEntry& tensor : tensors) report.parameters += element_count(tensor.extents);
  return report;
}

}  // namespace tweedie
