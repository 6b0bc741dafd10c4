#include "engine/solvers/reddiff.hpp"

#include <cmath>

#include "engine/solvers/proximal.hpp"
#include "kernels/adam.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {
namespace {

double weight_of(RedDiffOptions::Weight weight, double sigma) {
  switch (weight) {
    case RedDiffOptions::Weight::linear:
      return sigma;
    case RedDiffOptions::Weight::square_root:
      return std::sqrt(sigma);
    case RedDiffOptions::Weight::square:
      return sigma * sigma;
    case RedDiffOptions::Weight::logarithm:
      return std::log(1 + sigma);
    case RedDiffOptions::Weight::constant:
      break;
  }
  return 1;
}

}  // namespace

void RedDiff::prepare(Posterior& p) {
  if (at_) return;
  at_.emplace(p.context);
  m_ = p.context.planar(p.image);
  v_ = p.context.planar(p.image);
  fill(p.context.queue, m_, 0);
  fill(p.context.queue, v_, 0);
}

Tensor RedDiff::start(Posterior& p) {
  at_.reset();
  prepare(p);
  LinearOperator* const linear = p.likelihood.linear();
  if (!linear) {
    Tensor zero = p.context.planar(p.image);
    fill(p.context.queue, zero, 0);
    return zero;
  }
  const Tensor& y = p.likelihood.y(linear->output_shape(p.image));
  return inverts(*linear, p.image) ? pseudo_inverse(p.context, *linear, y, p.image)
                                   : linear->adjoint(y, p.image);
}

Tensor RedDiff::step(Posterior& p, Tensor mu, int executed) {
  prepare(p);
  Context& context = p.context;
  Queue& q = context.queue;
  Evaluation& at = *at_;
  at.level = p.schedule.level(p.schedule.steps() - 1 - executed);
  const double bar = at.alphas_cumprod(), sigma = std::sqrt((1 - bar) / bar);
  Tensor z = context.planar(p.image), x0 = context.planar(p.image);
  copy(q, x0, mu);
  if (options_.sigma_x0 > 0) {
    p.noise.normal(z, Draw::second, executed);
    axpby(q, x0, 1.f, mu, float(options_.sigma_x0), z);
  }
  p.noise.normal(z, Draw::step, executed);
  at.x = context.planar(p.image);
  axpby(q, at.x, float(std::sqrt(bar)), x0, float(std::sqrt(1 - bar)), z);
  at.evaluate(p.prior, false, false);
  Tensor residual = p.likelihood.residual(x0);
  if (misfit_.shape().N != p.image.N) misfit_ = context.per_sample(p.image.N);
  sum_squares(q, misfit_.view(), residual);
  const double on_misfit = -options_.observation / double(residual.shape().sample()),
               on_eps = options_.regulariser * weight_of(options_.weight, sigma) / double(p.image.sample());
  Tensor g = p.likelihood.pull_back(residual);
  axpbypcz(q, g, float(on_misfit), g, float(on_eps), at.prediction.eps, float(-on_eps), z);
  AdamW adam;
  adam.rate = options_.rate;
  adam.beta2 = 0.99;
  adam.step = executed + 1;
  adamw(q, mu, m_, v_, View<float>(), g, adam);
  return mu;
}

namespace {

constexpr Setting settings[] = {
    Setting::positive("rate", 0.1, "of Adam").spelled("--learning-rate"),
    Setting::positive("observation", 1, "weight of the misfit"),
    Setting::number("regulariser", 0.25, 0, Setting::unbounded, "weight of the prior"),
    Setting::number("sigma_x0", 0, 0, 1, "noise added to the estimate before it is measured"),
    Setting::text("weight", "linear", "linear, sqrt, square, log, const",
                  "how the prior counts at noise sigma_t")};

}  // namespace

const SolverKind reddiff_kind{
    "reddiff",
    "a variational estimate by Adam, one step a noise level; no network gradient; 1000 steps",
    {},
    settings,
    [](const Settings& s, Posterior&) -> std::unique_ptr<Solver> {
      using Weight = RedDiffOptions::Weight;
      const std::string name = s.text("weight");
      const Weight weight = name == "linear"   ? Weight::linear
                            : name == "sqrt"   ? Weight::square_root
                            : name == "square" ? Weight::square
                            : name == "log"    ? Weight::logarithm
                                               : Weight::constant;
      return std::make_unique<RedDiff>(RedDiffOptions{s.number("rate"), s.number("observation"),
                                                      s.number("regulariser"), s.number("sigma_x0"), weight});
    },
    0,
    Spacing::strided};

}  // namespace tweedie
