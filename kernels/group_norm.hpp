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
};

/// h = gamma (x - mean) rstd + beta;  h = h (1 + scale) + shift when modulated;  y = silu(h) or h.
/// x, y: alike, (N, C, H, W), b dividing C; stats: (N, groups, 1, 2) planar, mean then 1/sqrt(var + eps), the
/// biased variance over the C/groups channels and all pixels. (Wu & He 2018; guided-diffusion's
/// GroupNorm32 and use_scale_shift_norm.) y may not be x.
void group_norm(Queue& q, View<float> y, View<float> stats, View<const float> x,
                const GroupNormParameters& p);

/// dx = J^T dy (+ plus, when given); x and stats as in the forward call, h is recomputed. dx may be dy or
/// plus.
void group_norm_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x,
                         View<const float> stats, const GroupNormParameters& p, View<const float> plus = {});

namespace cuda {
void group_norm(Queue& q, View<float> y, View<float> stats, View<const float> x,
                const GroupNormParameters& p);
void group_norm_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x,
                         View<const float> stats, const GroupNormParameters& p, View<const float> plus);
}  // namespace cuda

}  // namespace tweedie
