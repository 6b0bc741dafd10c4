// Differences of neighbouring pixels and what total variation does to them. All planar (b = 1).
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// g = D x, the differences to the next pixel, and 0 at the last one (Neumann boundary): g (N, 2C, H, W) of
/// x (N, C, H, W) holds at channel c those along H, x[h + 1, w] - x[h, w], and at channel C + c those along
/// W. Errors: other shapes, not planar.
void differences(Queue& q, View<float> g, View<const float> x);
/// dx = D^T dg. Errors as above.
void differences_backward(Queue& q, View<float> dx, View<const float> dg);
/// m[n, c] = |(g[n, c], g[n, C + c])| of every pixel, m (N, C, H, W): their sum for g = D x is the isotropic
/// total variation of x, channel by channel (Rudin, Osher & Fatemi 1992). Errors as above.
void difference_norms(Queue& q, View<float> m, View<const float> g);
/// z = max(1 - threshold / |g|, 0) g for every pixel's pair of differences, 0 where g is 0: the proximal map
/// of threshold times the sum of their norms. z may be g. Errors: shapes differ, an odd number of channels,
/// not planar, a threshold below 0.
void shrink_differences(Queue& q, View<float> z, View<const float> g, float threshold);

// The CUDA bodies; arguments are already checked.
namespace cuda {
void differences(Queue& q, View<float> g, View<const float> x);
void differences_backward(Queue& q, View<float> dx, View<const float> dg);
void difference_norms(Queue& q, View<float> m, View<const float> g);
void shrink_differences(Queue& q, View<float> z, View<const float> g, float threshold);
}  // namespace cuda

}  // namespace tweedie
