// Activations of convolutional networks beside SiLU: ReLU, leaky ReLU, tanh. Each backward takes the output,
// so that the forward may overwrite its input. Layout-agnostic: views are alike.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y = x where x > 0, else slope x; slope in [0, 1), 0 is ReLU. y may be x.
void leaky_relu(Queue& q, View<float> y, View<const float> x, float slope);
/// dx = dy where y > 0, else slope dy, y being the output of `leaky_relu` (which has the sign of its input,
/// or is 0 where that is not positive). dx may be dy.
void leaky_relu_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y, float slope);
/// y = tanh(x); y may be x.
void tanh_forward(Queue& q, View<float> y, View<const float> x);
/// dx = dy (1 - y^2), y being the output of `tanh_forward`; dx may be dy.
void tanh_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y);

// The CUDA bodies; arguments are already checked.
namespace cuda {
void leaky_relu(Queue& q, View<float> y, View<const float> x, float slope);
void leaky_relu_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y, float slope);
void tanh_forward(Queue& q, View<float> y, View<const float> x);
void tanh_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y);
}  // namespace cuda

}  // namespace tweedie
