// Maps over the coefficients of a transform: filters by singular values, quantisation. All planar (b = 1).
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// A function of a singular value: g(s) = s^power / (a s^2 + b) where s > above, else 0. Where the
/// denominator is 0, g is 0 too. Tikhonov's filter is {1, 1, rho}; a pseudo-inverse is {1, 1, 0, cutoff}.
struct Filter {
  int power = 0;  ///< 0 or 1
  float a = 0, b = 1;
  float above = -1;
};

/// y = x g(s): y and x (N, C, H, W), s (1, C, H, W) or (1, 1, H, W), the same for every sample; y may be x.
/// It is linear in x with a diagonal matrix, hence its own adjoint. Errors: shapes that do not fit, another
/// power.
void filter(Queue& q, View<float> y, View<const float> x, View<const float> s, const Filter& g);

/// y = t round(x / t), halves away from 0: y and x (N, C, H, W), the step t > 0 (1, C, H, W) or (1, 1, H, W);
/// y may be x. Errors: shapes that do not fit.
void quantise(Queue& q, View<float> y, View<const float> x, View<const float> t);

// The CUDA bodies; arguments are already checked.
namespace cuda {
void filter(Queue& q, View<float> y, View<const float> x, View<const float> s, const Filter& g);
void quantise(Queue& q, View<float> y, View<const float> x, View<const float> t);
}  // namespace cuda

}  // namespace tweedie
