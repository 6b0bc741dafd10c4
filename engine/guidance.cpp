#include "engine/guidance.hpp"

#include <cmath>

#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {

void MeasurementGuidance::keep_distance(const Tensor& residual) {
  if (distance_squared_.shape().N != residual.shape().N)
    distance_squared_ = context_.per_sample(residual.shape().N);
  sum_squares(context_.queue, distance_squared_.view(), residual);
}

Tensor DpsGuidance::apply(Step& step, Tensor next) {
  Queue& q = context_.queue;
  Tensor residual = likelihood_.residual(step.x0);
  keep_distance(residual);
  divide_by_norm(q, residual, residual, distance_squared_.view(), -1.f);  // d|r| / d(A x0_hat) = -r / |r|
  const Tensor gradient = step.pull_back(likelihood_.pull_back(residual));
  axpby(q, next, 1.f, next, float(-zeta_), gradient);
  return next;
}

Tensor NoisyGradientGuidance::apply(Step& step, Tensor next) {
  Queue& q = context_.queue;
  Tensor residual = likelihood_.residual(step.x);
  keep_distance(residual);
  divide_by_norm(q, residual, residual, distance_squared_.view(), -1.f);
  axpby(q, next, 1.f, next, float(-zeta_), likelihood_.pull_back(residual));
  return next;
}

Tensor PerturbedGuidance::apply(Step& step, Tensor next) {
  Queue& q = context_.queue;
  const Shape image = step.x0.shape();
  Tensor perturbed = context_.planar(image), sum = context_.planar(image);
  fill(q, sum, 0);
  mean_.assign(std::size_t(image.N), 0.0);
  squared_.resize(mean_.size());
  for (int k = 0; k < draws; ++k) {
    step.noise.uniform(perturbed, step.executed, k);
    axpby(q, perturbed, 1.f, step.x0, width, perturbed);
    Tensor residual = likelihood_.residual(perturbed);
    keep_distance(residual);
    divide_by_norm(q, residual, residual, distance_squared_.view(), -1.f / draws);
    add(q, sum, sum, likelihood_.pull_back(residual));
    // A few bytes and a wait: little beside the network's step.
    copy_to_host(q, squared_.data(), distance_squared_.data(), squared_.size() * sizeof(double));
    for (std::size_t n = 0; n < mean_.size(); ++n) mean_[n] += std::sqrt(squared_[n]) / draws;
  }
  for (double& value : mean_) value *= value;
  copy_from_host(q, distance_squared_.data(), mean_.data(), mean_.size() * sizeof(double));
  axpby(q, next, 1.f, next, float(-zeta_), step.pull_back(sum));
  return next;
}

}  // namespace tweedie
