// Maps over elements: sums, clamps, masks, biases, SiLU. Layout-agnostic where views are alike.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y = value.
void fill(Queue& q, View<float> y, float value);
/// y = x; alike.
void copy(Queue& q, View<float> y, View<const float> x);
/// y = a x + b z; all alike; y may be x or z. A coefficient of 0 drops its term: NaN there does not spread.
void axpby(Queue& q, View<float> y, float a, View<const float> x, float b, View<const float> z);
/// y = a x + b z + c w; all alike; y may be any of them. A coefficient of 0 drops its term.
void axpbypcz(Queue& q, View<float> y, float a, View<const float> x, float b, View<const float> z, float c,
              View<const float> w);
/// y = x + z; alike; y may be either.
void add(Queue& q, View<float> y, View<const float> x, View<const float> z);
/// y = min(max(x, low), high); NaN stays NaN; y may be x.
void clamp(Queue& q, View<float> y, View<const float> x, float low, float high);
/// dx = dy where low <= x <= high, else 0 (the convention of torch.clamp); dx may be dy or x.
void clamp_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x, float low,
                    float high);
/// y = x * m, planar (b = 1); m's N and C may be 1 and are then broadcast, H and W are y's; y may be x.
/// Linear in x with a diagonal matrix: its own adjoint.
void multiply(Queue& q, View<float> y, View<const float> x, View<const float> m);
/// y[n, c] = x[n, c] + bias[c] (+ plus[n, c], when given) for every pixel, any layout; bias holds C values on
/// the device; y may be x or plus.
void add_bias(Queue& q, View<float> y, View<const float> x, const float* bias, View<const float> plus = {});
/// y = x * sigmoid(x); y may be x.
void silu(Queue& q, View<float> y, View<const float> x);
/// dx = dy * silu'(x), silu'(x) = s (1 + x (1 - s)), s = sigmoid(x); dx may be dy.
void silu_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x);
/// y[n] = factor * x[n] / sqrt(squares[n]), and 0 where squares[n] == 0; squares is (N,1,1,1) in double, as
/// `sum_squares` leaves it. The gradient of |r| per sample; y may be x.
void divide_by_norm(Queue& q, View<float> y, View<const float> x, View<const double> squares, float factor);
/// Ancestral step with the variance the network predicts between its bounds (Nichol & Dhariwal 2021, Eq. 15):
///   y = a x0 + b x + exp(f/2 log_beta + (1-f)/2 log_posterior) noise ,  f = (v + 1)/2 ; all alike.
void ancestral_learned(Queue& q, View<float> y, float a, View<const float> x0, float b, View<const float> x,
                       View<const float> v, View<const float> noise, float log_beta, float log_posterior);

// The CUDA bodies; arguments are already checked, coefficients are not 0.
namespace cuda {
void fill(Queue& q, View<float> y, float value);
void scale(Queue& q, View<float> y, float a, View<const float> x);
void axpby(Queue& q, View<float> y, float a, View<const float> x, float b, View<const float> z);
void axpbypcz(Queue& q, View<float> y, float a, View<const float> x, float b, View<const float> z, float c,
              View<const float> w);
void clamp(Queue& q, View<float> y, View<const float> x, float low, float high);
void clamp_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x, float low,
                    float high);
void multiply(Queue& q, View<float> y, View<const float> x, View<const float> m);
void add_bias(Queue& q, View<float> y, View<const float> x, const float* bias, View<const float> plus);
void silu(Queue& q, View<float> y, View<const float> x);
void silu_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x);
void divide_by_norm(Queue& q, View<float> y, View<const float> x, View<const double> squares, float factor);
void ancestral_learned(Queue& q, View<float> y, float a, View<const float> x0, float b, View<const float> x,
                       View<const float> v, View<const float> noise, float log_beta, float log_posterior);
}  // namespace cuda

}  // namespace tweedie
