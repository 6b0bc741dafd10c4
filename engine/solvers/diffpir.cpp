#include "engine/solvers/diffpir.hpp"

#include <algorithm>
#include <cmath>

#include "engine/solvers/proximal.hpp"
#include "kernels/elementwise.hpp"

namespace tweedie {

Tensor DiffPir::start(Posterior& p) {
  at_.reset();
  Tensor x = p.context.planar(p.image);
  p.noise.normal(x, Draw::initial, 0);
  return x;
}

void DiffPir::correct(Posterior& p, double rho) {
  Evaluation& at = *at_;
  LinearOperator& op = *p.likelihood.linear();
  if (options_.data_step == DiffPirOptions::DataStep::proximal) {
    corrected_ = proximal(p.context, op, at.x0, p.likelihood.y(op.output_shape(p.image)), rho);
    return;
  }
  const Tensor residual = p.likelihood.residual(at.x0);
  if (!enlargement_)
    enlargement_ =
        std::make_unique<Enlargement>(p.context, Interpolation::nearest, p.image.H / residual.shape().H);
  corrected_ = enlargement_->apply(residual, p.image);
  axpby(p.context.queue, corrected_, float(0.01 / (1 + rho)), corrected_, 1.f, at.x0);
}

Tensor DiffPir::step(Posterior& p, Tensor x, int executed) {
  Context& context = p.context;
  Queue& q = context.queue;
  if (!at_) at_.emplace(context);
  const std::size_t index = std::size_t(p.schedule.steps() - 1 - executed);
  Evaluation& at = *at_;
  at.x = std::move(x);
  at.level = p.schedule.level(int(index));
  at.evaluate(p.prior, true, false);
  p.likelihood.misfit(misfit_, at.x0);
  const double bar = at.alphas_cumprod(), next = p.schedule.alphas_cumprod_prev[index],
               sn = std::max(0.001, p.likelihood.noise().sigma / 2);
  correct(p, options_.lambda * sn * sn * bar / (1 - bar));
  if (index == 0) return options_.compat ? at.x : corrected_;
  const double e = options_.eta * std::sqrt((1 - next) / (1 - bar) * p.schedule.betas[index]),
               on_eps = std::sqrt((1 - options_.zeta) * std::max(1 - next - e * e, 0.0)) / std::sqrt(1 - bar);
  Tensor z = context.planar(p.image), result = context.planar(p.image);
  axpby(q, result, float(std::sqrt(next) - on_eps * std::sqrt(bar)), corrected_, float(on_eps), at.x);
  if (options_.eta > 0) {
    p.noise.normal(z, Draw::second, executed);
    axpby(q, result, 1.f, result, float(std::sqrt(1 - options_.zeta) * e), z);
  }
  p.noise.normal(z, Draw::step, executed);
  axpby(q, result, 1.f, result, float(std::sqrt(options_.zeta * (1 - next))), z);
  return result;
}

namespace {

constexpr Setting settings[] = {
    Setting::positive("lambda", 7, "how much the prior counts against the measurement"),
    Setting::number("renoise", 0.3, 0, 1, "zeta of the paper: share of new noise in a step"),
    Setting::number("eta", 0, 0, 1, "as DDIM's"),
    Setting::text("data_step", "proximal", "proximal, enlarged",
                  "proximal map, or a step along the enlarged residual of a reduced picture"),
    Setting::flag("compat", "as the published code: the last evaluation of the prior is thrown away")};
constexpr const Need* linear_needs[] = {&needs::linear, &needs::gaussian};

}  // namespace

const SolverKind diffpir_kind{
    "diffpir",
    "plug-and-play: the proximal map of the measurement in each step; no network gradient; 100 steps",
    linear_needs,
    settings,
    [](const Settings& s, Posterior&) -> std::unique_ptr<Solver> {
      DiffPirOptions o{s.number("lambda"), s.number("renoise"), s.number("eta"),
                       DiffPirOptions::DataStep::proximal, s.flag("compat")};
      if (s.text("data_step") == "enlarged") o.data_step = DiffPirOptions::DataStep::enlarged;
      return std::make_unique<DiffPir>(o);
    },
    100,
    Spacing::quadratic};

}  // namespace tweedie
