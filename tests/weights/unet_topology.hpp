// The tensors of guided-diffusion's UNetModel, written down once more from its definition, as the truth that
// inference is tested against.
#pragma once

#include "weights/unet_config.hpp"
#include "weights/unet_inference.hpp"

namespace tweedie::test {

/// Names and shapes of all tensors of a network of that configuration.
TensorShapes unet_tensors(const UNetConfig& config);

/// Number of values in all of them.
std::int64_t parameter_count(const TensorShapes& shapes);

}  // namespace tweedie::test
