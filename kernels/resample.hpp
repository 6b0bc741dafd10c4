// Nearest-neighbour doubling and 2x2 averaging, the U-Net's up and down.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// How a map changes its resolution: nearest doubling up, 2x2 averaging down.
enum class Resample { none, up, down };

/// The shape a map of shape s has afterwards; going down H and W are even.
inline Shape resampled(Resample how, Shape s) {
  if (how == Resample::up) return {s.N, s.C, 2 * s.H, 2 * s.W};
  if (how == Resample::down) return {s.N, s.C, s.H / 2, s.W / 2};
  return s;
}

/// y (N, C, 2H, 2W): every pixel of x (N, C, H, W) four times; any layout, the same b.
void upsample_nearest2(Queue& q, View<float> y, View<const float> x);
/// dx = the sum of the four gradients.
void upsample_nearest2_backward(Queue& q, View<float> dx, View<const float> dy);
/// y (N, C, H/2, W/2): the mean of 2x2 pixels; H and W even.
void average_pool2(Queue& q, View<float> y, View<const float> x);
/// dx: a quarter of the gradient to each of the four.
void average_pool2_backward(Queue& q, View<float> dx, View<const float> dy);

namespace cuda {
/// Every pixel of `small`, times `factor`, to its four of `large`.
void spread2(Queue& q, View<float> large, View<const float> small, float factor);
/// The sum of four pixels of `large`, times `factor`, to each of `small`.
void gather2(Queue& q, View<float> small, View<const float> large, float factor);
}  // namespace cuda

}  // namespace tweedie
