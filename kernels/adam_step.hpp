// The arithmetic of one parameter's AdamW step, for both compilers.
#pragma once

#include <cmath>

#include "kernels/adam.hpp"
#include "kernels/both.hpp"

namespace tweedie {

/// The factors of a step, worked out in double once.
struct AdamWStep {
  float keep, beta1, one_minus_beta1, beta2, one_minus_beta2, rate, root, epsilon, scale, ema;
  explicit AdamWStep(const AdamW& a)
      : keep(float(1 - a.rate * a.weight_decay)),
        beta1(float(a.beta1)),
        one_minus_beta1(float(1 - a.beta1)),
        beta2(float(a.beta2)),
        one_minus_beta2(float(1 - a.beta2)),
        rate(float(a.rate / (1 - std::pow(a.beta1, double(a.step))))),
        root(float(1 / std::sqrt(1 - std::pow(a.beta2, double(a.step))))),
        epsilon(float(a.epsilon)),
        scale(float(a.gradient_scale)),
        ema(float(1 - a.ema_rate)) {}

  TWEEDIE_BOTH void parameter(float& p, float& m, float& v, float gradient) const {
    const float g = scale * gradient;
    m = beta1 * m + one_minus_beta1 * g;
    v = beta2 * v + one_minus_beta2 * (g * g);
    p = keep * p - rate * (m / (sqrtf(v) * root + epsilon));
  }
  TWEEDIE_BOTH float average(float e, float p) const { return e + ema * (p - e); }
};

}  // namespace tweedie
