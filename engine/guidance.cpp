#include "engine/guidance.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {

void MeasurementGuidance::keep_distance(const Tensor& residual) {
  if (distance_squared_.shape().N != residual.shape().N)
    distance_squared_ = context_.per_sample(residual.shape().N);
  sum_squares(context_.queue, distance_squared_.view(), residual);
}

void MeasurementGuidance::adapt_steps(double deviation) {
  Shape one = likelihood_.y().shape();
  one.N = 1;
  Tensor measured = context_.planar(one);
  fill(context_.queue, measured, 1.f);
  likelihood_.op().discard_unmeasured(measured);
  TensorOf<double> count = context_.per_sample(1);
  sum_squares(context_.queue, count, measured);
  expected_ = deviation * std::sqrt(context_.download(count)[0]);
  adapted_ = true;
}

void MeasurementGuidance::measure(const Tensor& gradient) {
  Queue& q = context_.queue;
  const int count = gradient.shape().N;
  if (gradient_squared_.shape().N != count) gradient_squared_ = context_.per_sample(count);
  sum_squares(q, gradient_squared_.view(), gradient);
  squared_.resize(std::size_t(count));
  lengths_.resize(squared_.size());
  // A few bytes and a wait: little beside the network's step.
  copy_to_host(q, squared_.data(), distance_squared_.data(), squared_.size() * sizeof(double));
  copy_to_host(q, lengths_.data(), gradient_squared_.data(), lengths_.size() * sizeof(double));
}

void MeasurementGuidance::descend(Tensor& next, const Step& step, double zeta, Tensor gradient) {
  Queue& q = context_.queue;
  if (adapted_) {
    measure(gradient);
    const double bar = step.alphas_cumprod(), after = step.next_alphas_cumprod(),
                 share = step.stays ? 1 : std::sqrt(after) - std::sqrt((1 - after) * bar / (1 - bar));
    for (std::size_t n = 0; n < squared_.size(); ++n) {
      const double length = share * std::max(std::sqrt(squared_[n]) - expected_, 0.0) / lengths_[n];
      lengths_[n] = length > 0 && std::isfinite(length) ? 1 / (length * length) : 0;
    }
    copy_from_host(q, gradient_squared_.data(), lengths_.data(), lengths_.size() * sizeof(double));
    divide_by_norm(q, gradient, gradient, gradient_squared_.view(), 1.f);
    return axpby(q, next, 1.f, next, -1.f, gradient);
  }
  if (limited_) {
    measure(gradient);
    for (std::size_t n = 0; n < squared_.size(); ++n) {
      const double ratio = squared_[n] > 0 ? zeta * lengths_[n] / std::sqrt(squared_[n]) : 0;
      lengths_[n] = ratio > 1 ? ratio * ratio : 1;
    }
    copy_from_host(q, gradient_squared_.data(), lengths_.data(), lengths_.size() * sizeof(double));
    divide_by_norm(q, gradient, gradient, gradient_squared_.view(), 1.f);
  }
  axpby(q, next, 1.f, next, float(-zeta), gradient);
}

Tensor DpsGuidance::apply(Step& step, Tensor next) {
  Queue& q = context_.queue;
  Tensor residual = likelihood_.residual(step.x0);
  keep_distance(residual);
  divide_by_norm(q, residual, residual, distance_squared_.view(), -1.f);  // d|r| / d(A x0_hat) = -r / |r|
  descend(next, step, zeta_, step.pull_back(likelihood_.pull_back(residual)));
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
  descend(next, step, zeta_, step.pull_back(sum));
  return next;
}

}  // namespace tweedie
