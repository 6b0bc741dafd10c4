// The leaves networks are made of: convolution, linear map, normalisation, resampling.
#pragma once

#include <span>
#include <vector>

#include "engine/context.hpp"
#include "kernels/convolution.hpp"
#include "kernels/group_norm.hpp"
#include "kernels/linear.hpp"
#include "kernels/resample.hpp"
#include "layers/parameters.hpp"
#include "weights/tensor_source.hpp"

namespace tweedie {

/// Channels as feature maps carry them: the next multiple of 16; the ones added hold 0.
inline int padded_channels(int channels) { return (channels + 15) / 16 * 16; }

/// A map whose last sum is left to its reader: [value + bias + R plus, second] along channels, R a
/// resampling. A norm adds in the pass that takes its statistics, and reads the two parts where they lie; by
/// itself each would be a pass over the map.
struct Sum {
  Tensor value = {};                   ///< in features layout, as all maps here
  Tensor bias = {};                    ///< (1, C, 1, 1); empty: none
  Feature plus = {};                   ///< empty: none
  Resample resample = Resample::none;  ///< of plus
  Feature second = {};                 ///< channels that follow; empty: none
  bool complete() const { return !bias && !plus; }
};
/// The map itself, in place of `value`, for readers that are no norms; there is no `second`.
Tensor complete(Context& context, Sum sum);
/// Two maps that are kept side by side; a map itself where there is no second and it is fp32.
Tensor joined(Context& context, const Feature& first, const Feature& second);

/// The gradient by a map in two tensors along channels, or in one.
struct Gradient {
  Tensor first = {}, second = {};  ///< second: empty where there is one
};

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
  Tensor forward(Context& context, const MapView& x) const;
  /// The same without the bias, for a reader that adds it (`bias`).
  Tensor forward_without_bias(Context& context, const MapView& x) const;
  /// How `forward` reads an x of this shape, or `backward` the gradient by its output, without copying it.
  Storage operand(Context& context, const Shape& x, bool backward = false) const;
  /// One value an output channel, on the device (1, out, 1, 1); empty where there is none.
  const Tensor& bias() const { return bias_; }
  /// The same with the bias left to the reader where it is a pass over y: on a GPU.
  Sum forward_sum(Context& context, const Tensor& x) const;
  /// y += conv([first, second]) with `bias` in place of its own, which is left to y's reader where it is a
  /// pass over y; `second` may be empty.
  void accumulate(Context& context, Sum& y, const Feature& first, const Feature& second,
                  const Tensor& bias) const;
  /// Gradient with respect to an input of H x W pixels.
  Tensor backward(Context& context, const MapView& dy, int H, int W) const;
  /// The same where the input has `first` channels and others: in two parts on the CPU, which write it so.
  Gradient backward_in_parts(Context& context, const MapView& dy, int H, int W, int first) const;
  /// Adds it to dx, where the kernel is 1x1 without stride.
  void add_backward(Context& context, Gradient& dx, const Tensor& dy) const;
  /// Adds the gradients with respect to weight and bias, x being what `forward` was given.
  void add_gradients(Context& context, Gradients& gradients, const Tensor& dy, const Tensor& x) const;
  /// Appends weight and bias to `to`.
  void list_parameters(std::vector<Parameter>& to);
  const ConvolutionGeometry& geometry() const { return geometry_; }

 private:
  std::string weight_name_, bias_name_;
  Extents extents_;  ///< of the weight as it was read
  ConvolutionGeometry geometry_;
  Tensor packed_, bias_;
};

/// y = W x + b on (N, C, 1, 1) vectors: the timestep path.
class Linear {
 public:
  Linear(Context& context, const WeightScope& scope, int in, int out);
  Tensor forward(Context& context, const Tensor& x) const;
  /// The same as a part of a list that `linear_maps` applies at once; y (N, out, 1, 1).
  LinearWeights map(Tensor& y) const { return {weight_.data(), bias_.data(), y.data(), out_}; }
  int out() const { return out_; }
  /// dx += W^T dy; dx (N, in, 1, 1).
  void add_backward(Context& context, Tensor& dx, const Tensor& dy) const;
  void add_gradients(Context& context, Gradients& gradients, const Tensor& dy, const Tensor& x) const;
  void list_parameters(std::vector<Parameter>& to);

 private:
  std::string weight_name_, bias_name_;
  int in_, out_;
  Tensor weight_, bias_;
};

/// What goes into a norm beside x, the same in a forward pass and on its way back.
struct NormInputs {
  const Tensor* modulation = nullptr;  ///< (N, 2C) scale and shift; null or empty: none
  const float* x_bias = nullptr;       ///< C values that x lacks; null: none
};

/// GroupNorm of 32 groups, eps 1e-5 (guided-diffusion's GroupNorm32), with SiLU, modulation and a change of
/// the resolution fused in.
class Norm {
 public:
  Norm(Context& context, const WeightScope& scope, int channels, bool silu, Resample how = Resample::none);
  /// For `reader`. `kept` receives x's first part, complete, and `stats` the statistics: what the backward
  /// pass needs.
  Feature forward(Context& context, const Conv2d& reader, const Sum& x, Feature& kept, Tensor& stats,
                  const NormInputs& with = {}) const;
  /// What `forward` returned, from the statistics it left; as fp32, or as `reader` got it.
  Feature again(Context& context, const Conv2d& reader, const SplitMap& x, const Tensor& stats) const;
  Tensor again(Context& context, const SplitMap& x, const Tensor& stats, const NormInputs& with = {}) const;
  /// J^T dy (+ R^T plus (+ plus2), when not empty; R the resampling), in as many parts as x, in dy's memory
  /// where that lies so and nobody else has it. With `gradients`, adds those of weight and bias;
  /// `dmodulation` then receives the modulation's, if there is one.
  Gradient backward(Context& context, Gradient dy, const SplitMap& x, const Tensor& stats,
                    const NormInputs& with = {}, const Tensor& plus = {}, Gradients* gradients = nullptr,
                    Tensor* dmodulation = nullptr, const Tensor& plus2 = {}) const;
  /// The same, of an x in one part and without anything added, into dx.
  void backward_into(Context& context, MutableMapView dx, const Tensor& dy, const SplitMap& x,
                     const Tensor& stats, const NormInputs& with, Gradients* gradients,
                     Tensor* dmodulation) const;
  void list_parameters(std::vector<Parameter>& to);

 private:
  std::string weight_name_, bias_name_;
  GroupNormParameters parameters(const NormInputs& with) const;
  GroupNormGradients gradients_of(Context& context, const NormInputs& with, Gradients* gradients,
                                  Tensor* dmodulation) const;
  Tensor gamma_, beta_;
  bool silu_;
  Resample how_;
};

/// A map resampled, and the vjp of that.
Tensor resample(Context& context, Resample how, const Tensor& x);
Tensor resample_backward(Context& context, Resample how, const Tensor& dy);

}  // namespace tweedie
