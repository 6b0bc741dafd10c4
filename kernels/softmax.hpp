// Softmax over the last axis.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y = softmax(x) over W, planar (N, C, H, W); the row maximum is subtracted first. y may be x.
void softmax(Queue& q, View<float> y, View<const float> x);
/// dx = y (dy - sum_W(dy y)), y the forward's result; dx may be dy.
void softmax_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y);

namespace cuda {
void softmax(Queue& q, View<float> y, View<const float> x);
void softmax_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y);
}  // namespace cuda

}  // namespace tweedie
