// GroupNorm fused with its affine map, optional scale/shift modulation and optional SiLU.
#pragma once

#include "kernels/queue.hpp"
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
};

/// h = gamma (x - mean) rstd + beta;  h = h (1 + scale) + shift when modulated;  y = silu(h) or h.
/// x, y: alike, (N, C, H, W), b dividing C; stats: (N, groups, 1, 2) planar, mean then 1/sqrt(var + eps), the
/// biased variance over the C/groups channels and all pixels. (Wu & He 2018; guided-diffusion's
/// GroupNorm32 and use_scale_shift_norm.) y may not be x.
void group_norm(Queue& q, View<float> y, View<float> stats, View<const float> x,
                const GroupNormParameters& p);

/// y as `group_norm` made it, from the statistics it left: one pass, for what a backward pass forms again.
void group_norm_again(Queue& q, View<float> y, View<const float> stats, View<const float> x,
                      const GroupNormParameters& p);

/// Where the gradients by the parameters go, on the device; null: not wanted.
struct GroupNormGradients {
  float* gamma = nullptr;        ///< C, added to
  float* beta = nullptr;         ///< C, added to; null exactly when gamma is
  float* scale_shift = nullptr;  ///< (N, 2C), overwritten; for modulated norms
  explicit operator bool() const { return gamma || scale_shift; }
};

/// dx = J^T dy (+ plus (+ plus2), when given); x and stats as in the forward call, h is recomputed. dx may be
/// dy, plus or plus2. `gradients` costs no further pass (on CUDA: of large maps): the sums that dx needs are
/// what they are made of.
void group_norm_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x,
                         View<const float> stats, const GroupNormParameters& p, View<const float> plus = {},
                         const GroupNormGradients& gradients = {}, View<const float> plus2 = {});

namespace cuda {
void group_norm(Queue& q, View<float> y, View<float> stats, View<const float> x,
                const GroupNormParameters& p);
void group_norm_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x,
                         View<const float> stats, const GroupNormParameters& p, View<const float> plus,
                         const GroupNormGradients& gradients, View<const float> plus2);
void group_norm_again(Queue& q, View<float> y, View<const float> stats, View<const float> x,
                      const GroupNormParameters& p);
}  // namespace cuda

}  // namespace tweedie
