// Correlation of images with small 2-D kernels that move, one for all samples or one for each. All planar.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y[n, c, h, w] = sum_ij k[n, 0, i, j] x[n, c, h + i, w + j], where the kernel lies inside x: y (N, C, H,
/// W), k (N or 1, 1, kh, kw), x (N, C, H + kh - 1, W + kw - 1). Taps are summed in their order with fused
/// multiply-adds: the same bits on every backend. No overlaps. Errors: other shapes, not planar.
void correlate_dense(Queue& q, View<float> y, View<const float> x, View<const float> k);
/// dx[n, c, h, w] = sum_ij k[n, 0, i, j] dy[n, c, h - i, w - j]: the adjoint in x. As above.
void correlate_dense_backward_image(Queue& q, View<float> dx, View<const float> dy, View<const float> k);
/// dk[n, 0, i, j] = sum_chw dy[n, c, h, w] x[n, c, h + i, w + j]: the adjoint in k, summed over samples where
/// dk has one; in double and in a fixed order. Errors as above.
void correlate_dense_backward_kernel(Queue& q, View<float> dk, View<const float> dy, View<const float> x);

// The CUDA bodies; arguments are already checked.
namespace cuda {
void correlate_dense(Queue& q, View<float> y, View<const float> x, View<const float> k);
void correlate_dense_backward_image(Queue& q, View<float> dx, View<const float> dy, View<const float> k);
void correlate_dense_backward_kernel(Queue& q, View<float> dk, View<const float> dy, View<const float> x);
}  // namespace cuda

}  // namespace tweedie
