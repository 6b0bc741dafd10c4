// Per-sample sums, accumulated in double in a fixed order: the same bits every time.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// out[n] = sum over sample n of x^2; out (N,1,1,1) on the device.
void sum_squares(Queue& q, View<double> out, View<const float> x);
/// out[n] = sum over sample n of x z; alike.
void dot(Queue& q, View<double> out, View<const float> x, View<const float> z);
/// sums[n, c] += the sum of x[n, c] over all pixels, or, when `sums` has one sample, over all samples too.
/// sums (N or 1, C, 1, 1); x (N, C, H, W) in any layout. The gradient of what is added to every pixel alike.
void add_pixel_sums(Queue& q, View<float> sums, View<const float> x);

namespace cuda {
void add_pixel_sums(Queue& q, View<float> sums, View<const float> x);
void dot(Queue& q, View<double> out, View<const float> x, View<const float> z);
}  // namespace cuda

}  // namespace tweedie
