// The kernels of one DPS step of a U-Net, counted from its topology: nothing is run.
#pragma once

#include <string>
#include <vector>

#include "kernels/convolution.hpp"
#include "layers/unet_plan.hpp"

namespace tweedie {

/// One kernel's work: the least it can move and has to compute.
struct StepOp {
  std::string layer;   ///< the module it belongs to, by its prefix in a checkpoint; or "time_embed", "out"
  std::string kernel;  ///< the function of `kernels` that does it
  Shape x, y;          ///< the map it reads and the one it writes
  ConvolutionGeometry g{};  ///< of a convolution
  int split = 0;  ///< channels of the first of two maps that a norm (which splits its gradient so) or a
                  ///< convolution reads as one
  bool backward = false;                                     ///< on the way back to the image
  bool silu = false, modulated = false, accumulate = false;  ///< of norms, of norms, what adds to y
  bool bias = false;   ///< of a convolution: it adds its bias, which it does not leave to its reader
  bool forms = false;  ///< of a norm: it makes its x, a sum, and writes it
  int pluses = 0;      ///< maps that a norm adds in passing: to x going forward, to its gradient going back
  Resample resample = Resample::none;  ///< of what a norm going forward adds
  int heads = 0;                       ///< of attention
  double maps = 0;                     ///< elements of feature maps read and written, each once
  double parameters = 0;               ///< weights read
  double operations = 0;  ///< multiplications and additions of convolutions, attention and linear maps

  double bytes(double bytes_per_element) const { return (maps + parameters) * bytes_per_element; }
  /// Whether another op is the same work: the same kernel of the same shapes.
  bool same_work(const StepOp& other) const;
};

/// Every kernel of a pass through the network on `image` (N, C, H, W) and of its way back to the image, in
/// the order of execution, with channels as the kernels pad them. What a backend fuses (a convolution's bias)
/// is part of the op that it is fused into. `channels_last`: the layout of feature maps, which decides where
/// attention has to convert; true on CUDA. The sampler's own passes over the image are not in it.
std::vector<StepOp> step_ops(const UNetConfig& config, const Shape& image, bool channels_last);

}  // namespace tweedie
