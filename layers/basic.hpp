// The leaves networks are made of: convolution, linear map, normalisation, resampling.
#pragma once

#include <span>
#include <vector>

#include "engine/context.hpp"
#include "kernels/convolution.hpp"
#include "kernels/group_norm.hpp"
#include "weights/tensor_source.hpp"

namespace tweedie {

/// Channels as feature maps carry them: the next multiple of 16; the ones added hold 0.
inline int padded_channels(int channels) { return (channels + 15) / 16 * 16; }

/// A convolution with its packed weights. Channel counts of images (1, 3, 6) are padded to 16 with zero
/// weights. Reads `weight` (out, in, kernel, kernel) and, when `bias`, `bias` (out); `rank` 3 reads a
/// Conv1d's weight (out, in, 1), as attention's projections are stored.
class Conv2d {
 public:
  Conv2d(Context& context, const WeightScope& scope, int in, int out, int kernel, int stride = 1,
         int pad = -1, bool bias = true, int rank = 4);
  /// The same of weights that were read before, as those with a normalisation folded in: `weight` (in, out
  /// and kernel of `geometry`, whose channels are not padded yet), `bias` (out) or empty.
  Conv2d(Context& context, const ConvolutionGeometry& geometry, const std::vector<float>& weight,
         std::vector<float> bias);
  /// x (N, in, H, W) in features layout -> (N, out, H', W').
  Tensor forward(Context& context, const Tensor& x) const;
  /// y += conv(x).
  void accumulate(Context& context, Tensor& y, const Tensor& x) const;
  /// Gradient with respect to an input of H x W pixels.
  Tensor backward(Context& context, const Tensor& dy, int H, int W) const;
  const ConvolutionGeometry& geometry() const { return geometry_; }

 private:
  ConvolutionGeometry geometry_;
  Tensor packed_, bias_;
};

/// y = W x + b on (N, C, 1, 1) vectors; no backward: only the timestep path uses it.
class Linear {
 public:
  Linear(Context& context, const WeightScope& scope, int in, int out);
  Tensor forward(Context& context, const Tensor& x) const;

 private:
  int in_, out_;
  Tensor weight_, bias_;
};

/// GroupNorm of 32 groups, eps 1e-5 (guided-diffusion's GroupNorm32), with SiLU and modulation fused in.
class Norm {
 public:
  Norm(Context& context, const WeightScope& scope, int channels, bool silu);
  /// `stats` receives what the backward pass needs. `modulation`: (N, 2C) scale and shift, or empty.
  Tensor forward(Context& context, const Tensor& x, Tensor& stats, const Tensor& modulation = {}) const;
  /// J^T dy (+ plus, when not empty).
  Tensor backward(Context& context, const Tensor& dy, const Tensor& x, const Tensor& stats,
                  const Tensor& modulation = {}, const Tensor& plus = {}) const;

 private:
  GroupNormParameters parameters(const Tensor& modulation) const;
  Tensor gamma_, beta_;
  bool silu_;
};

/// How a block changes the resolution: nearest doubling up, 2x2 averaging down.
enum class Resample { none, up, down };
Tensor resample(Context& context, Resample how, const Tensor& x);
Tensor resample_backward(Context& context, Resample how, const Tensor& dy);

}  // namespace tweedie
