// The transposed convolution as a layer.
#pragma once

#include <vector>

#include "layers/basic.hpp"

namespace tweedie {

/// torch's ConvTranspose2d: the input gradient of a convolution as a forward map, and the convolution as its
/// gradient. Reads `weight` (in, out, kernel, kernel) and, when `bias`, `bias` (out).
class ConvTranspose2d {
 public:
  /// `in` lists the channel counts of the feature maps the input was concatenated from: each was padded to a
  /// multiple of 16 by itself.
  ConvTranspose2d(Context& context, const WeightScope& scope, const std::vector<int>& in, int out, int kernel,
                  int stride, int pad, bool bias);
  /// x (N, in, H, W) in features layout -> (N, out, (H - 1) stride - 2 pad + kernel, likewise W).
  Tensor forward(Context& context, const Tensor& x) const;
  /// Gradient with respect to the input.
  Tensor backward(Context& context, const Tensor& dy) const;

 private:
  ConvolutionGeometry geometry_;  // of the convolution whose input gradient this is: from `out` to `in`
  Tensor packed_, bias_;
};

}  // namespace tweedie
