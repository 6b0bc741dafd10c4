#include "engine/solvers/reps.hpp"

#include <cmath>

#include "engine/solvers/proximal.hpp"
#include "kernels/elementwise.hpp"

namespace tweedie {
namespace {

constexpr double first_level = 100, last_level = 0.1, flow_end = 0.01;

}  // namespace

double Reps::level(int executed) const {
  if (executed == 0) return first_level;
  const double share = options_.restarts > 1 ? double(executed - 1) / (options_.restarts - 1) : 0;
  return noise_level_between(options_.sigma_restart, last_level, share, 15);
}

Tensor Reps::start(Posterior& p) {
  at_.emplace(p.context);
  Tensor x = p.context.planar(p.image);
  p.noise.normal(x, Draw::initial, 0);
  axpby(p.context.queue, x, float(first_level), x, 0.f, x);
  return x;
}

Tensor Reps::step(Posterior& p, Tensor x, int executed) {
  require(at_.has_value(), "RePS: a step before the start");
  Queue& q = p.context.queue;
  Evaluation& at = *at_;
  LinearOperator& op = *p.likelihood.linear();
  const Tensor& y = p.likelihood.y(op.output_shape(p.image));
  const int n = options_.ode_steps;
  double sigma = level(executed);
  for (int k = 1; k <= n; ++k) {
    const double next = k == n ? 0 : noise_level_between(level(executed), flow_end, double(k) / (n - 1), 7),
                 bar = 1 / (1 + sigma * sigma), share = (sigma - next) / sigma;
    at.level = {timestep_of(p.schedule, bar), bar};
    at.x = p.context.planar(p.image);
    axpby(q, at.x, float(std::sqrt(bar)), x, 0.f, x);
    at.evaluate(p.prior, 0, false);
    axpby(q, x, float(1 - share), x, float(share), proximal(p.context, op, at.x0, y, options_.lambda));
    sigma = next;
  }
  p.likelihood.misfit(misfit_, x);
  if (executed == options_.restarts) return x;
  Tensor z = p.context.planar(p.image);
  p.noise.normal(z, Draw::renoise, executed);
  axpby(q, x, 1.f, x, float(level(executed + 1)), z);
  return x;
}

namespace {

constexpr Setting settings[] = {
    Setting::whole("levels", 100, 1, 100000, "noise levels"),
    Setting::whole("ode_steps", 10, 1, 1000, "evaluations of the prior at each level"),
    Setting::positive("lambda", 1, "how much the prior counts against the measurement"),
    Setting::positive("sigma_restart", 10, "noise level of the first restart; the last is at 0.1")};
constexpr const Need* linear_needs[] = {&needs::linear, &needs::gaussian};

}  // namespace

const SolverKind reps_kind{
    "reps",
    "restarts: flows with the proximal map in each step, from less and less noise; no network gradient",
    linear_needs, settings, [](const Settings& s, Posterior&) -> std::unique_ptr<Solver> {
      return std::make_unique<Reps>(RepsOptions{s.integer("levels"), s.integer("ode_steps"),
                                                s.number("lambda"), s.number("sigma_restart")});
    }};

}  // namespace tweedie
