#include "engine/guidance.hpp"

#include <cmath>

#include "engine/guidance_poisson.hpp"
#include "engine/projection.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {

MeasurementGuidance::MeasurementGuidance(Context& context, ForwardOperator& op, Tensor y)
    : context_(context),
      operator_(op),
      distance_squared_(context.per_sample(y.shape().N)),
      measured_(op.make_saved()),
      y_(std::move(y)) {}

const Tensor& MeasurementGuidance::measurement(const Shape& measured) {
  if (y_.shape() == measured) return y_;
  Shape one = measured;
  one.N = 1;
  require(y_.shape() == one, "guidance: a measurement ", y_.shape(), ", the operator measures ", measured);
  if (repeated_.shape() != measured) {
    repeated_ = context_.planar(measured);
    for (int n = 0; n < measured.N; ++n) copy(context_.queue, repeated_.view().sample(n), y_.view());
  }
  return repeated_;
}

void MeasurementGuidance::keep_distance(const Tensor& residual) {
  if (distance_squared_.shape().N != residual.shape().N)
    distance_squared_ = context_.per_sample(residual.shape().N);
  sum_squares(context_.queue, distance_squared_.view(), residual);
}

Tensor MeasurementGuidance::residual_at(const Tensor& x) {
  Tensor residual = operator_.forward(x, measured_.get());
  // Not in place: an operator may hand out what it was given.
  const Tensor& y = measurement(residual.shape());
  Tensor difference = context_.planar(residual.shape());
  axpby(context_.queue, difference, 1.f, y, -1.f, residual);
  return difference;
}

Tensor DpsGuidance::apply(Step& step, Tensor next) {
  Queue& q = context_.queue;
  Tensor residual = residual_at(step.x0);
  keep_distance(residual);
  divide_by_norm(q, residual, residual, distance_squared_.view(), -1.f);  // d|r| / d(A x0_hat) = -r / |r|
  const Tensor gradient = step.pull_back(operator_.backward(residual, *measured_));
  axpby(q, next, 1.f, next, float(-zeta_), gradient);
  return next;
}

Tensor NoisyGradientGuidance::apply(Step& step, Tensor next) {
  Queue& q = context_.queue;
  Tensor residual = residual_at(step.x);
  keep_distance(residual);
  divide_by_norm(q, residual, residual, distance_squared_.view(), -1.f);
  axpby(q, next, 1.f, next, float(-zeta_), operator_.backward(residual, *measured_));
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
    Tensor residual = residual_at(perturbed);
    keep_distance(residual);
    divide_by_norm(q, residual, residual, distance_squared_.view(), -1.f / draws);
    add(q, sum, sum, operator_.backward(residual, *measured_));
    // A few bytes and a wait: little beside the network's step.
    copy_to_host(q, squared_.data(), distance_squared_.data(), squared_.size() * sizeof(double));
    for (std::size_t n = 0; n < mean_.size(); ++n) mean_[n] += std::sqrt(squared_[n]) / draws;
  }
  for (double& value : mean_) value *= value;
  copy_from_host(q, distance_squared_.data(), mean_.data(), mean_.size() * sizeof(double));
  axpby(q, next, 1.f, next, float(-zeta_), step.pull_back(sum));
  return next;
}

std::vector<std::string> guidance_names() {
  return {"dps", "dps-poisson", "mcg", "projection", "ilvr", "noisy-gradient", "ps+"};
}

namespace {

std::unique_ptr<Guidance> poisson(Context& context, const GuidanceOptions& o, ForwardOperator& op, Tensor y) {
  require(o.photon_rate > 0, "guidance ", o.method, ": the noise must be Poisson, with a positive rate");
  if (o.compat) return std::make_unique<CompatPoissonGuidance>(context, op, std::move(y), o.scale);
  return std::make_unique<PoissonGuidance>(context, op, std::move(y), o.scale, o.photon_rate);
}

}  // namespace

std::unique_ptr<Guidance> make_guidance(Context& context, const GuidanceOptions& o, ForwardOperator& op,
                                        Tensor y) {
  const std::string& name = o.method;
  if (name == "vanilla" || name == "none") return nullptr;
  if (name == "dps-poisson" || (name == "ps" && o.photon_rate > 0))
    return poisson(context, o, op, std::move(y));
  if (name == "dps" || name == "ps") return std::make_unique<DpsGuidance>(context, op, std::move(y), o.scale);
  if (name == "noisy-gradient")
    return std::make_unique<NoisyGradientGuidance>(context, op, std::move(y), o.scale);
  if (name == "ps+") return std::make_unique<PerturbedGuidance>(context, op, std::move(y), o.scale);
  const Lift back = name == "ilvr" ? Lift::low_pass : o.compat ? Lift::nearest : Lift::pseudo_inverse;
  if (name == "projection" || name == "ilvr")
    return std::make_unique<ProjectionGuidance>(context, name, op, std::move(y), back, o.factor);
  if (name == "mcg") {
    auto projection = std::make_unique<ProjectionGuidance>(context, name, op, y, back, o.factor);
    GuidanceOptions gradient = o;
    gradient.method = "ps";
    return std::make_unique<McgGuidance>(make_guidance(context, gradient, op, std::move(y)),
                                         std::move(projection));
  }
  std::string known;
  for (const std::string& each : guidance_names()) known += each + ", ";
  throw Error(message("guidance '", name, "' is not known; expected one of ", known, "none"));
}

}  // namespace tweedie
