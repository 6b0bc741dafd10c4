// Blur kernels as points of the probability simplex, k >= 0 and sum k = 1, sample by sample. Layout-agnostic.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y = u / sum u, u = (x + 1) / 2, the sum over each sample alone: values in [-1, 1], as a network makes
/// them, become a kernel. Where the sum is not positive, y is uniform. totals (N, 1, 1, 1) receives the sums.
/// y may be x. Errors: shapes or layouts differ. (Chung et al., CVPR 2023; their code sums over the whole
/// batch, which for one sample is the same.)
void normalise_to_simplex(Queue& q, View<float> y, View<double> totals, View<const float> x);
/// dx = (dy - <dy, y>) / (2 totals) for each sample, and 0 where y is uniform for want of a positive sum; y
/// and totals as `normalise_to_simplex` left them. dx may be dy. Errors as above.
void normalise_to_simplex_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y,
                                   View<const double> totals);
/// y = the point of the simplex nearest to x: max(x - tau, 0) with the tau that makes its sum 1, for each
/// sample. Found by Michelot's iteration (1986), which ends at the exact tau. y may be x; NaN stays NaN.
/// Errors as above.
void project_to_simplex(Queue& q, View<float> y, View<const float> x);
/// dx += the gradient of weight * sum of R(u), u = scale x + offset, which pulls kernels towards few pixels:
/// R(u) = u, the l1 norm of what is not negative, where width is 0; else R(u) = u^2 / (u^2 + width^2), a
/// smooth count of the pixels that are not 0. Errors: shapes or layouts differ, a negative width.
void add_sparsity_gradient(Queue& q, View<float> dx, View<const float> x, float scale, float offset,
                           float weight, float width);

// The CUDA bodies; arguments are already checked.
namespace cuda {
void normalise_to_simplex(Queue& q, View<float> y, View<double> totals, View<const float> x);
void normalise_to_simplex_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y,
                                   View<const double> totals);
void project_to_simplex(Queue& q, View<float> y, View<const float> x);
void add_sparsity_gradient(Queue& q, View<float> dx, View<const float> x, float scale, float offset,
                           float weight, float width);
}  // namespace cuda

}  // namespace tweedie
