#include "weights/convert.hpp"

#include <algorithm>
#include <filesystem>

#include "kernels/error.hpp"
#include "weights/checkpoints/byte_source.hpp"
#include "weights/checkpoints/checkpoint.hpp"
#include "weights/checkpoints/state_dict_writer.hpp"
#include "weights/hdf5_read.hpp"
#include "weights/metric_networks.hpp"
#include "weights/unet_config.hpp"
#include "weights/unet_inference.hpp"
#include "weights/weight_file.hpp"

namespace tweedie {

using nlohmann::json;

namespace {

const std::string left_out = "left out, being of types that are not read: ";

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
    notices.push_back(left_out + names);
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

/// A network in a file, described but not yet read.
struct Network {
  std::vector<TensorEntry> tensors;
  std::function<std::vector<float>(const TensorEntry&)> read;
  WeightFileHeader header;
  std::string container, sha256;
};

void write_tensors(TensorOutput& output, const std::vector<TensorEntry>& tensors,
                   const std::function<std::vector<float>(const TensorEntry&)>& read,
                   const ConvertOptions& options, const ConvertProgress& progress) {
  std::uint64_t total = 0;
  std::uint64_t done = 0;
  const auto bytes = [](const TensorEntry& t) {
    return static_cast<std::uint64_t>(element_count(t.extents)) * 4;
  };
  for (const TensorEntry& tensor : tensors) total += bytes(tensor);
  for (const TensorEntry& tensor : tensors) {
    if (progress) progress(done, total);
    const std::vector<float> values = read(tensor);
    require_finite(values, options.checkpoint + ": the tensor " + tensor.name);
    output.write(tensor.name, tensor.extents, values, stored_element(tensor, options));
    done += bytes(tensor);
  }
  if (progress) progress(done, total);
}

// A classifier becomes a LPIPS by the linear layers that it lacks.
void add_linear_layers(Network& network, std::vector<std::string>& notices) {
  for (const TensorEntry& tensor : network.tensors)
    if (tensor.name.starts_with("lin")) return;
  const auto linear =
      std::make_shared<const Checkpoint>(published_linear_layers(network.header.architecture.substr(6)));
  notices.push_back("LPIPS v0.1's linear layers added, as its authors published them");
  network.tensors.insert(network.tensors.end(), linear->tensors().begin(), linear->tensors().end());
  network.read = [classifier = network.read, linear](const TensorEntry& tensor) {
    return tensor.name.starts_with("lin") ? linear->read(tensor) : classifier(tensor);
  };
}

TensorShapes shapes_of(const std::vector<TensorEntry>& tensors) {
  TensorShapes shapes;
  for (const TensorEntry& tensor : tensors) shapes[tensor.name] = tensor.extents;
  return shapes;
}

// What the network in a checkpoint is, is worked out from its tensors and from what the options state.
Network open_checkpoint(const ConvertOptions& options, std::vector<std::string>& notices) {
  const auto source = open_file(options.checkpoint);
  const auto checkpoint = std::make_shared<const Checkpoint>(source, options.entry);
  notices = checkpoint->notices();
  Network network;
  network.container = checkpoint->container();
  network.tensors = choose_tensors(*checkpoint, notices);
  network.header = resolve_header(shapes_of(network.tensors), options, notices);
  network.read = [checkpoint](const TensorEntry& tensor) { return checkpoint->read(tensor); };
  const std::string& architecture = network.header.architecture;
  if (architecture == "kernel_wizard")
    network.tensors = without_kernel_extractor(std::move(network.tensors), notices);
  if (architecture.starts_with("lpips_")) {
    network.tensors = lpips_tensors(std::move(network.tensors), notices);
    add_linear_layers(network, notices);
  }
  network.sha256 = sha256_hex(*source);
  network.header.source =
      std::filesystem::path(options.checkpoint).filename().string() + " sha256:" + network.sha256;
  return network;
}

// A weight file says all of it, and where it came from.
Network open_weight_file(const ConvertOptions& options) {
  for (const auto& [given, name] : {std::pair(&options.entry, "--entry"),
                                    {&options.config_file, "--config"},
                                    {&options.preset, "--preset"}})
    require(given->empty(), name, ": ", options.checkpoint,
            " is a weight file and says what its network is; expected a checkpoint");
  const auto file = std::make_shared<WeightFile>(options.checkpoint);
  Network network;
  network.container = "weight file";
  network.header = file->header();
  network.sha256 = sha256_hex(*open_file(options.checkpoint));
  for (const std::string& key : file->keys()) {
    TensorEntry tensor;
    tensor.name = key;
    tensor.element = file->element(key);
    tensor.extents = file->extents(key);
    network.tensors.push_back(tensor);
  }
  network.read = [file](const TensorEntry& tensor) { return file->read(tensor.name, tensor.extents); };
  return network;
}

// Errors: also those of `accept`. Each says what was left out for its type: it may be what is missing.
Network open_network(const ConvertOptions& options, std::vector<std::string>& notices) {
  try {
    Network network =
        holds_hdf5(options.checkpoint) ? open_weight_file(options) : open_checkpoint(options, notices);
    if (options.accept) options.accept(network.header, shapes_of(network.tensors));
    return network;
  } catch (const Error& error) {
    for (const std::string& notice : notices)
      if (notice.starts_with(left_out) || notice.starts_with("ignored, being no tensors"))
        throw Error(message(error.what(), " (", notice, ")"));
    throw;
  }
}

std::unique_ptr<TensorOutput> open_output(const ConvertOptions& options, const WeightFileHeader& header) {
  const Existing existing = options.overwrite ? Existing::replace : Existing::refuse;
  if (options.format == NetworkFormat::torch) return write_torch(options.output, existing);
  if (options.format == NetworkFormat::safetensors) return write_safetensors(options.output, existing);
  return std::make_unique<WeightFileWriter>(options.output, header,
                                            WeightFileOptions{options.compression, options.overwrite});
}

}  // namespace

NetworkFormat format_of_name(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension == ".pt" || extension == ".pth") return NetworkFormat::torch;
  return extension == ".safetensors" ? NetworkFormat::safetensors : NetworkFormat::weights;
}

ConvertReport convert_checkpoint(const ConvertOptions& options, const ConvertProgress& progress) {
  std::error_code error;
  require(options.overwrite || !std::filesystem::exists(options.output, error), options.output,
          ": exists already; --force replaces it");
  require(options.format == NetworkFormat::weights || options.compression == 0,
          "--compress: only weight files are compressed, not what other frameworks read");
  ConvertReport report;
  const Network network = open_network(options, report.notices);
  const std::unique_ptr<TensorOutput> output = open_output(options, network.header);
  write_tensors(*output, network.tensors, network.read, options, progress);
  output->commit();

  report.architecture = network.header.architecture;
  report.container = network.container;
  report.sha256 = network.sha256;
  report.config = network.header.config;
  report.diffusion = network.header.diffusion;
  report.source = network.header.source;
  report.tensors = static_cast<std::int64_t>(network.tensors.size());
  for (const TensorEntry& tensor : network.tensors) report.parameters += element_count(tensor.extents);
  return report;
}

}  // namespace tweedie
