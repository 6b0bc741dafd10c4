// The networks that metrics look through, as other people publish them: torchvision's alexnet, vgg16 and
// squeezenet1_1 for LPIPS, pytorch-fid's Inception for FID.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weights/checkpoints/checkpoint.hpp"
#include "weights/unet_inference.hpp"

namespace tweedie {

/// What to fetch for a metric, and how it becomes a weight file.
struct MetricNetwork {
  const char* architecture;  ///< of the weight file: "lpips_vgg"
  const char* file;          ///< as its publisher calls it
  const char* publisher;
};
/// "lpips_alex", "lpips_vgg", "lpips_squeeze", "inception_fid". Errors: another architecture.
const MetricNetwork& metric_network(const std::string& architecture);
/// One line: what to get, and the command that converts it.
std::string how_to_get(const MetricNetwork& network);

/// The architecture of a checkpoint of these tensors, if it is one of them. Errors, in one line: an Inception
/// that is not FID's, LPIPS v0.0.
std::optional<std::string> metric_architecture(const TensorShapes& shapes, const std::string& where);

/// The tensors of an alexnet, vgg16, squeezenet1_1 or LPIPS that its weight file keeps, under the names it
/// uses: a classifier loses its classifier, a saved LPIPS its wrappers' names. What was left out is said in
/// `notices`.
std::vector<TensorEntry> lpips_tensors(std::vector<TensorEntry> tensors, std::vector<std::string>& notices);

/// LPIPS v0.1's linear layers as richzhang/PerceptualSimilarity publishes them (BSD-2-Clause,
/// weights/pretrained/lpips/LICENSE): a checkpoint of `lin{k}.model.1.weight` (1, C, 1, 1). `net` is alex,
/// vgg or squeeze.
Checkpoint published_linear_layers(const std::string& net);
/// The same, for a network's constructor.
std::unique_ptr<TensorSource> published_linear_source(const std::string& net);

}  // namespace tweedie
