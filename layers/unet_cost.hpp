// What a pass through a U-Net costs, counted from its topology: nothing is run.
#pragma once

#include <unordered_map>

#include "kernels/convolution.hpp"
#include "layers/unet_plan.hpp"

namespace tweedie {

/// Convolutions, and how often each is run.
using ConvolutionCounts = std::unordered_map<ConvolutionProblem, int, ConvolutionProblem::Hash>;

/// Every convolution of one forward pass on `image` (N, C, H, W), with channels as the kernels pad them. Each
/// of them runs backward once for the gradient by the image.
ConvolutionCounts convolutions_of(const UNetConfig& config, const Shape& image);

/// Operations of one convolution: a multiplication and an addition count as two.
double operations_of(const ConvolutionProblem& problem);

/// A pass of a network: floating-point operations, and bytes that have to come from memory or go there.
struct PassCost {
  double operations = 0, bytes = 0;
  /// The least time it can take (the roofline model): by operations or by bytes, whichever is longer.
  double seconds(double operations_per_second, double bytes_per_second) const;
};

/// One forward pass: its convolutions and attention; weights are read once, what each of these reads and
/// writes moves once, in fp32. Norms and activations are left out. The way back to the image costs as much
/// again.
PassCost forward_cost(const UNetConfig& config, const Shape& image);

}  // namespace tweedie
