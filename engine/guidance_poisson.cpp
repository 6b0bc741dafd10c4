#include "engine/guidance_poisson.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"

namespace tweedie {

PoissonGuidance::PoissonGuidance(Context& context, Likelihood& likelihood, double zeta)
    : MeasurementGuidance(context, likelihood), zeta_(zeta) {
  const double rate = likelihood.noise().photon_rate;
  require(rate > 0, "Poisson guidance: the noise must be Poisson, with a positive rate");
  const Tensor& y = likelihood.y();
  std::vector<float> weight = context.download(y);
  const double photons = 127.5 * rate;  // per unit of [-1, 1]
  for (float& value : weight) {
    const double count = photons * (double(value) + 1);
    value = float(photons / std::sqrt(2 * std::max(count, 1.0)));
  }
  weight_ = context.upload(y.shape(), weight);
}

Tensor PoissonGuidance::apply(Step& step, Tensor next) {
  Queue& q = context_.queue;
  Tensor residual = likelihood_.residual(step.x0);
  multiply(q, residual, residual, weight_);
  keep_distance(residual);
  // With D^2 = Lambda: d|D r| / d(A x0_hat) = -D (D r) / |D r|.
  divide_by_norm(q, residual, residual, distance_squared_.view(), -1.f);
  multiply(q, residual, residual, weight_);
  descend(next, step, zeta_, step.pull_back(likelihood_.pull_back(residual)));
  return next;
}

CompatPoissonGuidance::CompatPoissonGuidance(Context& context, Likelihood& likelihood, double zeta)
    : MeasurementGuidance(context, likelihood), zeta_(zeta), mean_weight_(0) {
  const std::vector<float> values = context.download(likelihood.y());
  for (const float value : values) {
    require(value != 0,
            "guidance dps-poisson: a measured value is exactly 0, which the published gradient "
            "divides by; run it without compat");
    mean_weight_ += 1 / std::abs(double(value)) / double(values.size());
  }
}

Tensor CompatPoissonGuidance::apply(Step& step, Tensor next) {
  Queue& q = context_.queue;
  const float w = float(mean_weight_);
  Tensor residual = likelihood_.residual(step.x0);
  const Shape s = residual.shape();
  axpby(q, residual, w, residual, 0.f, residual);
  Tensor together = residual.reshaped({1, s.N * s.C, s.H, s.W});  // one norm for the batch
  keep_distance(together);
  divide_by_norm(q, together, together, distance_squared_.view(), -w);
  const Tensor gradient = step.pull_back(likelihood_.pull_back(residual));
  axpby(q, next, 1.f, next, float(-zeta_), gradient);
  return next;
}

}  // namespace tweedie
