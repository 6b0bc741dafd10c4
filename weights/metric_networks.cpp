#include "weights/metric_networks.hpp"

#include <algorithm>
#include <span>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

constexpr unsigned char alex_bytes[] = {
#include "lpips_alex.inc"
};
constexpr unsigned char vgg_bytes[] = {
#include "lpips_vgg.inc"
};
constexpr unsigned char squeeze_bytes[] = {
#include "lpips_squeeze.inc"
};

constexpr MetricNetwork networks[] = {
    {"lpips_alex", "alexnet-owt-7be5be79.pth", "torchvision (download.pytorch.org/models)"},
    {"lpips_vgg", "vgg16-397923af.pth", "torchvision (download.pytorch.org/models)"},
    {"lpips_squeeze", "squeezenet1_1-b8a52dc0.pth", "torchvision (download.pytorch.org/models)"},
    {"inception_fid", "pt_inception-2015-12-05-6726825d.pth",
     "pytorch-fid (github.com/mseitzer/pytorch-fid)"},
};

bool has_shape(const TensorShapes& shapes, const std::string& name, const Extents& extents) {
  const auto found = shapes.find(name);
  return found != shapes.end() && found->second == extents;
}

// "net.slice2.7.weight" of a saved LPIPS is torchvision's "features.7.weight".
std::string trunk_name(const std::string& name) {
  if (!name.starts_with("net.slice")) return name;
  return "features" + name.substr(std::min(name.find('.', 4), name.size()));
}

/// The tensors of a published linear file, by name.
class CheckpointSource final : public TensorSource {
 public:
  explicit CheckpointSource(Checkpoint checkpoint) : checkpoint_(std::move(checkpoint)) {}
  bool has(const std::string& key) const override { return find(key) != nullptr; }
  std::vector<float> read(const std::string& key, const Extents& expected) override {
    const TensorEntry* const entry = find(key);
    require(entry != nullptr, "the linear layers of LPIPS hold no ", key);
    require(entry->extents == expected, key, " has shape ", to_string(entry->extents), ", expected ",
            to_string(expected));
    return checkpoint_.read(*entry);
  }
  void require_all_used() const override {}

 private:
  const TensorEntry* find(const std::string& key) const {
    for (const TensorEntry& tensor : checkpoint_.tensors())
      if (tensor.name == key) return &tensor;
    return nullptr;
  }
  Checkpoint checkpoint_;
};

}  // namespace

const MetricNetwork& metric_network(const std::string& architecture) {
  for (const MetricNetwork& network : networks)
    if (architecture == network.architecture) return network;
  throw Error(message("no metric looks through a network '", architecture, "'"));
}

std::string how_to_get(const MetricNetwork& network) {
  return message("get ", network.file, " of ", network.publisher, " and run: tweedie-convert ", network.file,
                 " ", network.architecture, ".h5");
}

std::optional<std::string> metric_architecture(const TensorShapes& shapes, const std::string& where) {
  if (shapes.contains("Mixed_7c.branch_pool.conv.weight")) {
    require(has_shape(shapes, "fc.weight", {1008, 2048}) && !shapes.contains("AuxLogits.fc.weight"), where,
            ": an Inception, but not the one of 2015-12-05 with 1008 classes that FID is defined by; ",
            how_to_get(metric_network("inception_fid")));
    return "inception_fid";
  }
  TensorShapes trunk;
  for (const auto& [name, extents] : shapes) trunk[trunk_name(name)] = extents;
  std::string net;
  if (has_shape(trunk, "features.0.weight", {64, 3, 11, 11}) && trunk.contains("features.10.weight"))
    net = "alex";
  else if (has_shape(trunk, "features.28.weight", {512, 512, 3, 3}))
    net = "vgg";
  else if (has_shape(trunk, "features.12.squeeze.weight", {64, 512, 1, 1}))
    net = "squeeze";
  else
    return std::nullopt;
  require(!shapes.contains("lin0.model.1.weight") || shapes.contains("scaling_layer.shift"), where,
          ": LPIPS v0.0, whose images are not scaled; v0.1 is what papers print");
  return "lpips_" + net;
}

std::vector<TensorEntry> lpips_tensors(std::vector<TensorEntry> tensors, std::vector<std::string>& notices) {
  const std::size_t before = tensors.size();
  for (TensorEntry& tensor : tensors) tensor.name = trunk_name(tensor.name);
  std::erase_if(tensors, [](const TensorEntry& t) {
    const bool linear = t.name.starts_with("lin") && !t.name.starts_with("lins.");
    return !linear && !t.name.starts_with("features.");
  });
  if (tensors.size() < before)
    notices.push_back(message(before - tensors.size(), " tensors left out that LPIPS does not use"));
  return tensors;
}

Checkpoint published_linear_layers(const std::string& net) {
  const auto source = [&](std::span<const unsigned char> bytes) {
    const auto all = std::as_bytes(bytes);
    return open_bytes({all.begin(), all.end()}, "LPIPS v0.1 " + net + ".pth");
  };
  require(net == "alex" || net == "vgg" || net == "squeeze", "LPIPS has no network '", net, "'");
  return Checkpoint(net == "alex"  ? source(alex_bytes)
                    : net == "vgg" ? source(vgg_bytes)
                                   : source(squeeze_bytes));
}

std::unique_ptr<TensorSource> published_linear_source(const std::string& net) {
  return std::make_unique<CheckpointSource>(published_linear_layers(net));
}

}  // namespace tweedie
