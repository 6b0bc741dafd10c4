// Maximum and average over windows, as classifiers pool: overlapping windows, padding, either rounding of the
// output's size. (The U-Net's exact halving is kernels/resample.hpp.)
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// Square windows of `kernel` pixels, one every `stride` pixels, the first beginning `pad` pixels outside.
/// What lies outside of the image belongs to no window: it never is the maximum, and averages divide by the
/// pixels that are there (torch's count_include_pad=False).
struct PoolGeometry {
  int kernel = 2, stride = 2, pad = 0;
  /// Whether a last window that begins inside the image but does not fit counts (torch's ceil_mode).
  bool ceil = false;
  /// Windows along a side of so many pixels.
  int output(int pixels) const {
    const int room = pixels + 2 * pad - kernel, windows = (room + (ceil ? stride - 1 : 0)) / stride + 1;
    return (windows - 1) * stride >= pixels + pad ? windows - 1 : windows;
  }
  bool operator==(const PoolGeometry&) const = default;
};

/// y (N, C, output(H), output(W)) = the maximum of each window of x (N, C, H, W); any layout, the same b. NaN
/// is not carried on.
/// Errors (of all four): a window that is empty or does not fit, padding of more than half a window, shapes
/// or blocks that do not fit.
void max_pool(Queue& q, View<float> y, View<const float> x, const PoolGeometry& g);
/// dx = each window's dy at its maximum in x; of several equal ones at the first, row by row (as torch does).
void max_pool_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x,
                       const PoolGeometry& g);
/// y = the mean of each window over its pixels that lie inside.
void average_pool(Queue& q, View<float> y, View<const float> x, const PoolGeometry& g);
/// dx = the adjoint: each window's dy, divided by its pixels, to all of them.
void average_pool_backward(Queue& q, View<float> dx, View<const float> dy, const PoolGeometry& g);

// The CUDA bodies; arguments are already checked.
namespace cuda {
void max_pool(Queue& q, View<float> y, View<const float> x, const PoolGeometry& g);
void max_pool_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x,
                       const PoolGeometry& g);
void average_pool(Queue& q, View<float> y, View<const float> x, const PoolGeometry& g);
void average_pool_backward(Queue& q, View<float> dx, View<const float> dy, const PoolGeometry& g);
}  // namespace cuda

}  // namespace tweedie
