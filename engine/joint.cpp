#include "engine/joint.hpp"

#include <cmath>

#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"
#include "kernels/simplex.hpp"

namespace tweedie {

double StepRule::at(double alphas_cumprod) const {
  return kind == Kind::constant ? scale : scale * std::sqrt(alphas_cumprod);
}

Walker::Walker(Context& context, WalkerOptions options, Denoiser* prior, Chart* chart,
               const Schedule& schedule, const SamplerOptions& sampler, NoiseSource& noise)
    : context_(context),
      options_(std::move(options)),
      prior_(prior),
      chart_(chart),
      chart_saved_(chart ? chart->make_saved() : nullptr),
      step_(context, schedule, sampler, noise) {
  const WalkerOptions& o = options_;
  const std::string who = "joint sampling, " + o.name;
  require(o.step.scale >= 0 && o.clip >= 0 && o.sparsity.weight >= 0, who, ": scale ", o.step.scale,
          ", clip ", o.clip, ", sparsity ", o.sparsity.weight, "; expected none below 0");
  require(o.sparsity.order == 1 || (o.sparsity.order == 0 && o.sparsity.width > 0), who,
          ": sparsity of order ", o.sparsity.order, " and width ", o.sparsity.width,
          "; expected order 1, or 0 with a positive width (an exact count has no gradient)");
  require(!(prior && o.on_simplex), who, ": only a state without a prior is projected; give it a chart");
  require_valid(sampler);
  require(is_single_step(sampler.method), who, ": expected a sampler of one evaluation a step");
  require(!prior || sampler.method != Method::ddpm || sampler.variance != Variance::learned_range ||
              prior->learns_variance(),
          who, ": learned-range variance needs a network that predicts it; use fixed_small");
}

Tensor Walker::physical(const Tensor& state) {
  Tensor clipped = context_.planar(state.shape());
  if (prior_ && options_.clip > 0)
    clamp(context_.queue, clipped, state, float(-options_.clip), float(options_.clip));
  else
    copy(context_.queue, clipped, state);
  return chart_ ? chart_->forward(clipped) : clipped;
}

Tensor Walker::propose_at(int index, int executed) {
  require(bool(x) && x.b() == 1, "joint sampling: the state of ", options_.name, " is missing or not planar");
  step_.start(index, executed, x);
  if (prior_) {
    step_.evaluate(*prior_, options_.clip, true);
    Tensor draw = context_.planar(x.shape());
    step_.noise.ancestral(draw, executed);
    next_ = propose(step_, draw);
  } else {
    step_.x0 = x;
    next_ = context_.planar(x.shape());
    copy(context_.queue, next_, x);
  }
  return chart_ ? chart_->forward(step_.x0, chart_saved_.get()) : step_.x0;
}

void Walker::finish(const Tensor& on_physical) {
  Queue& q = context_.queue;
  Tensor on_estimate = chart_ ? chart_->backward(on_physical, *chart_saved_) : on_physical;
  const Sparsity& few = options_.sparsity;
  if (few.weight > 0)
    add_sparsity_gradient(q, on_estimate, step_.x0, prior_ ? 0.5f : 1.f, prior_ ? 0.5f : 0.f,
                          float(few.weight), few.order == 1 ? 0.f : float(few.width));
  gradient_ = prior_ ? step_.pull_back(on_estimate) : std::move(on_estimate);
  axpby(q, next_, 1.f, next_, float(-options_.step.at(step_.alphas_cumprod())), gradient_);
  if (options_.on_simplex) project_to_simplex(q, next_, next_.view());
  x = std::move(next_);
}

JointMisfit::JointMisfit(Context& context, ForwardOperator& op, Tensor y)
    : context_(context),
      operator_(op),
      saved_(op.make_saved()),
      y_(std::move(y)),
      distance_squared_(context.per_sample(y_.shape().N)) {}

const Tensor& JointMisfit::measurement(const Shape& measured) {
  if (y_.shape() == measured) return y_;
  Shape one = measured;
  one.N = 1;
  require(y_.shape() == one, "joint sampling: a measurement ", y_.shape(), ", the operator measures ",
          measured);
  if (repeated_.shape() != measured) {
    repeated_ = context_.planar(measured);
    for (int n = 0; n < measured.N; ++n) copy(context_.queue, repeated_.view().sample(n), y_.view());
  }
  return repeated_;
}

void JointMisfit::step(std::span<Walker> walkers, int index, int executed) {
  const std::size_t count = walkers.size();
  require(int(count) == operator_.unknowns(), "joint sampling: ", count, " states for an operator of ",
          operator_.unknowns(), " unknowns");
  Queue& q = context_.queue;
  given_.clear(), gradients_.clear(), asked_.clear();  // where the last step ended in an error
  for (Walker& walker : walkers) given_.push_back(walker.propose_at(index, executed));
  Tensor residual = operator_.forward(Unknowns(given_), saved_.get());
  axpby(q, residual, 1.f, measurement(residual.shape()), -1.f, residual);  // r = y - A(u)
  if (distance_squared_.shape().N != residual.shape().N)
    distance_squared_ = context_.per_sample(residual.shape().N);
  sum_squares(q, distance_squared_.view(), residual);
  divide_by_norm(q, residual, residual, distance_squared_.view(), -1.f);  // d|r| / dA(u) = -r / |r|
  gradients_.resize(count);
  for (Tensor& gradient : gradients_) asked_.push_back(&gradient);
  operator_.backward(asked_, residual, *saved_);
  for (std::size_t k = 0; k < count; ++k) walkers[k].finish(gradients_[k]);
  given_.clear(), gradients_.clear(), asked_.clear();
}

void joint_sample(std::span<Walker> walkers, JointMisfit& misfit, const JointObserver& observer) {
  require(!walkers.empty(), "joint sampling: no states");
  const int steps = walkers[0].schedule().steps();
  for (const Walker& walker : walkers)
    require(walker.schedule().steps() == steps, "joint sampling: ", walker.options().name, " has ",
            walker.schedule().steps(), " steps, ", walkers[0].options().name, " has ", steps);
  for (int executed = 0; executed < steps; ++executed) {
    misfit.step(walkers, steps - 1 - executed, executed);
    if (observer && !observer(executed)) return;
  }
}

}  // namespace tweedie
