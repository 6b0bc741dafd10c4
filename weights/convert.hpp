// From a checkpoint to a weight file and back: everything tweedie-convert does but its command line.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "weights/element.hpp"
#include "weights/unet_inference.hpp"
#include "weights/weight_file.hpp"

namespace tweedie {

/// What a network is written as: a weight file, or a state dict for other frameworks.
enum class NetworkFormat { weights, torch, safetensors };

/// By a file's name: .pt and .pth are PyTorch's, .safetensors is what it says, all others are weight files.
NetworkFormat format_of_name(const std::string& path);

struct ConvertOptions {
  std::string checkpoint = {};  ///< or a weight file
  std::string output = {};
  NetworkFormat format = NetworkFormat::weights;
  std::string config_file = {};  ///< YAML or JSON, or empty
  std::string preset = {};       ///< or empty
  std::string entry = {};        ///< which of the checkpoint's dicts, or prefixes of names, or empty
  std::optional<Element> dtype =
      {};                  ///< f32, f16 or bf16; by default each tensor's own (float64 becomes f32)
  int compression = 0;     ///< deflate level, 0 to 9
  bool overwrite = false;  ///< whether an existing output may be replaced
  /// Asked before anything is written; throws `Error` for a network that no program can use.
  std::function<void(const WeightFileHeader& header, const TensorShapes& tensors)> accept = {};
};

struct ConvertReport {
  std::string architecture;
  std::string container;
  std::string source;  ///< file name and SHA-256, as stored
  std::string sha256;
  nlohmann::json config;
  nlohmann::json diffusion;
  std::int64_t tensors = 0;
  std::int64_t parameters = 0;
  std::vector<std::string> notices;  ///< what was left out or chosen, one line each
};

/// Called between tensors with the bytes done and to do; may throw to abandon the conversion.
using ConvertProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// Converts a checkpoint or a weight file, one tensor at a time: memory stays at a few times the largest
/// tensor. Throws `Error` in one line on bad input, and then leaves no output.
ConvertReport convert_checkpoint(const ConvertOptions& options, const ConvertProgress& progress = {});

}  // namespace tweedie
