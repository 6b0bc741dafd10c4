// Per-sample sums, accumulated in double in a fixed order: the same bits every time.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// out[n] = sum over sample n of x^2; out (N,1,1,1) on the device.
void sum_squares(Queue& q, View<double> out, View<const float> x);
/// out[n] = sum over sample n of x z; alike.
void dot(Queue& q, View<double> out, View<const float> x, View<const float> z);

namespace cuda {
void dot(Queue& q, View<double> out, View<const float> x, View<const float> z);
}  // namespace cuda

}  // namespace tweedie
