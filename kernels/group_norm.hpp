// GroupNorm fused with its affine map, optional scale/shift modulation, optional SiLU and resampling.
#pragma once

#include "kernels/map.hpp"
#include "kernels/queue.hpp"
#include "kernels/resample.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// What one normalisation applies beside the statistics; all pointers are device memory.
struct GroupNormParameters {
  const float* gamma = nullptr;        ///< C weights
  const float* beta = nullptr;         ///< C biases
  const float* scale_shift = nullptr;  ///< (N, 2C): scale then shift of each sample, or null
  int groups = 32;
  float eps = 1e-5f;
  bool silu = true;
  const float* x_bias =
      nullptr;  ///< C values that x lacks (a convolution's bias): x stands for x + x_bias; or null
  Resample resample = Resample::none;  ///< of what SiLU gave
};

/// A map whose channels lie in two tensors, [first, second] along channels, or in one: `second` is empty
/// then. Their blocks are those of what goes with the map, or on CUDA all are channels-last, and both are
/// stored the same way. (What a U-Net joins on its way up is never written side by side for a norm.)
struct SplitMap {
  MapView first, second;
  template <class Map>
  SplitMap(Map&& a, MapView b = {}) requires(std::is_convertible_v<Map, MapView>) : first(a), second(b) {}
  Shape shape() const { return {first.N(), first.C() + (second ? second.C() : 0), first.H(), first.W()}; }
};

/// h = gamma (x - mean) rstd + beta;  h = h (1 + scale) + shift when modulated;  y = resample(silu(h) or h).
/// x (N, C, H, W), b dividing C; y: alike but for the sides, which `resample` changes; stats: (N, groups, 1,
/// 2) planar, mean then 1/sqrt(var + eps), the biased variance over the C/groups channels and all pixels. (Wu
/// & He 2018; guided-diffusion's GroupNorm32 and use_scale_shift_norm.) y may not be x. On the CPU y may be
/// stored as bf16 where x is.
void group_norm(Queue& q, const MutableMapView& y, View<float> stats, const SplitMap& x,
                const GroupNormParameters& p);

/// What a norm makes its x of in the pass that takes the statistics: x = [first + bias + R plus, second]
/// along channels, R a resampling; parts that are empty or null are left out. (The residual sums of a U-Net:
/// a pass less over the map, and a launch.)
struct GroupNormSource {
  View<const float> first;             ///< (N, C1, H, W)
  const float* bias = nullptr;         ///< C1 values on the device
  MapView plus;                        ///< (N, C1, ., .): after resampling H x W
  Resample resample = Resample::none;  ///< of plus
  MapView second;                      ///< (N, C - C1, H, W)
};

/// `group_norm` of the x that `from` makes, whose first channels are written to `x` (its shape and block are
/// those of `first`, which it may be). plus and second are stored as x is; statistics and y are those of x as
/// it is stored.
void group_norm_of(Queue& q, const MutableMapView& y, View<float> stats, const MutableMapView& x,
                   const GroupNormSource& from, const GroupNormParameters& p);

/// y as `group_norm` made it, from the statistics it left: one pass, for what a backward pass forms again.
void group_norm_again(Queue& q, const MutableMapView& y, View<const float> stats, const SplitMap& x,
                      const GroupNormParameters& p);

/// Where the gradients by the parameters go, on the device; null: not wanted.
struct GroupNormGradients {
  float* gamma = nullptr;        ///< C, added to
  float* beta = nullptr;         ///< C, added to; null exactly when gamma is
  float* scale_shift = nullptr;  ///< (N, 2C), overwritten; for modulated norms
  explicit operator bool() const { return gamma || scale_shift; }
};

/// dx = J^T dy (+ R^T plus (+ plus2), when given), R the resampling: plus lies as dy does, plus2 as x. x and
/// stats as in the forward call, h is recomputed. With `dx_second` (of a norm that does not resample) dx has
/// the first channels alone and dx_second the rest; on the CPU dy may then lie in two parts, too. Where
/// nothing is resampled dx may be dy, plus or plus2, part by part. On the CPU a dx in one part may be stored
/// as bf16 where x is and nothing is resampled. `gradients` costs no further pass (on CUDA: of large maps):
/// the sums that dx needs are what they are made of.
void group_norm_backward(Queue& q, const MutableMapView& dx, const SplitMap& dy, const SplitMap& x,
                         View<const float> stats, const GroupNormParameters& p, View<const float> plus = {},
                         const GroupNormGradients& gradients = {}, View<const float> plus2 = {},
                         View<float> dx_second = {});

namespace cuda {
void group_norm(Queue& q, View<float> y, View<float> stats, const SplitMap& x, const GroupNormParameters& p);
void group_norm_backward(Queue& q, View<float> dx, View<const float> dy, const SplitMap& x,
                         View<const float> stats, const GroupNormParameters& p, View<const float> plus,
                         const GroupNormGradients& gradients, View<const float> plus2, View<float> dx_second);
void group_norm_of(Queue& q, View<float> y, View<float> stats, const MutableMapView& x,
                   const GroupNormSource& from, const GroupNormParameters& p);
void group_norm_again(Queue& q, View<float> y, View<const float> stats, const SplitMap& x,
                      const GroupNormParameters& p);
}  // namespace cuda

}  // namespace tweedie
