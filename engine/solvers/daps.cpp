#include "engine/solvers/daps.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"

namespace tweedie {
namespace {

constexpr double flow_end = 0.01;

double level_of(double a, double b, double share) { return noise_level_between(a, b, share, 7); }

/// The timestep of a noise level by the continuous linear schedule, beta from 0.1 to 20, of 1000 steps.
double published_timestep(double sigma) {
  const double u = (std::sqrt(0.01 + 2 * 19.9 * std::log1p(sigma * sigma)) - 0.1) / 19.9;
  return 999 * u;
}

}  // namespace

Tensor Daps::start(Posterior& p) {
  at_.reset();
  Tensor x = p.context.planar(p.image);
  p.noise.normal(x, Draw::initial, 0);
  axpby(p.context.queue, x, float(options_.sigma_max), x, 0.f, x);
  return x;
}

// E[x_0 | x_0 + sigma n = x], not clipped.
Tensor Daps::denoised(Posterior& p, const Tensor& x, double sigma) {
  if (!at_) at_.emplace(p.context);
  Evaluation& at = *at_;
  const double bar = 1 / (1 + sigma * sigma);
  at.level = {options_.compat ? published_timestep(sigma) : timestep_of(p.schedule, bar), bar};
  at.x = p.context.planar(p.image);
  axpby(p.context.queue, at.x, float(std::sqrt(bar)), x, 0.f, x);
  at.evaluate(p.prior, false, false);
  return at.x0;
}

Tensor Daps::flow(Posterior& p, Tensor x, double sigma) {
  Queue& q = p.context.queue;
  const int n = options_.ode_steps;
  for (int k = 0; k < n; ++k) {
    const double from = level_of(sigma, flow_end, double(k) / n),
                 to = level_of(sigma, flow_end, double(k + 1) / n), share = (to - from) / from;
    const Tensor d = denoised(p, x, from);
    axpby(q, x, float(1 + share), x, float(-share), d);
  }
  return x;
}

Tensor Daps::chain(Posterior& p, double sigma, int executed) {
  Context& context = p.context;
  Queue& q = context.queue;
  const double share = double(executed) / (options_.levels + (options_.compat ? 1 : 0)),
               rate = options_.rate * (1 + share * (options_.rate_ratio - 1)),
               tau = options_.tau > 0  ? options_.tau
                     : options_.compat ? 0.01
                                       : std::max(p.likelihood.noise().sigma, 0.01);
  const float on_misfit = float((options_.compat ? 2 : 1) / (tau * tau)),
              on_prior = float(1 / (sigma * sigma));
  Tensor x = context.planar(p.image), z = context.planar(p.image), velocity;
  copy(q, x, x0_);
  if (options_.hamiltonian) {
    velocity = context.planar(p.image);
    p.noise.normal(velocity, Draw::velocity, executed);
  }
  for (int k = 0; k < options_.chain; ++k) {
    Tensor g = p.likelihood.pull_back(p.likelihood.residual(x));
    axpbypcz(q, g, on_misfit, g, on_prior, x0_, -on_prior, x);
    p.noise.normal(z, Draw::chain, executed, k);
    if (options_.hamiltonian) {
      axpbypcz(q, velocity, float(options_.momentum), velocity, float(std::sqrt(rate)), g,
               float(std::sqrt(2 * (1 - options_.momentum))), z);
      axpby(q, x, 1.f, x, float(std::sqrt(rate)), velocity);
    } else {
      axpbypcz(q, x, 1.f, x, float(rate), g, float(std::sqrt(2 * rate)), z);
    }
  }
  return x;
}

Tensor Daps::step(Posterior& p, Tensor x, int executed) {
  const double sigma = level_of(options_.sigma_max, options_.sigma_min, double(executed) / options_.levels);
  x0_ = flow(p, std::move(x), sigma);
  chained_ = chain(p, sigma, executed);
  p.likelihood.misfit(misfit_, chained_);
  if (executed + 1 == options_.levels) return chained_;
  const double next =
      level_of(options_.sigma_max, options_.sigma_min, double(executed + 1) / options_.levels);
  Tensor z = p.context.planar(p.image);
  p.noise.normal(z, Draw::renoise, executed);
  axpby(p.context.queue, z, 1.f, chained_, float(next), z);
  return z;
}

namespace {

constexpr Setting settings[] = {
    Setting::whole("levels", 200, 1, 100000, "noise levels"),
    Setting::whole("ode_steps", 5, 1, 1000, "evaluations of the prior at each level"),
    Setting::whole("chain", 100, 1, 100000, "steps of the chain at each level"),
    Setting::positive("sigma_max", 100, "the first noise level"),
    Setting::positive("sigma_min", 0.1, "where the levels lead"),
    Setting::positive("rate", 1e-4, "step size of the chain").spelled("--learning-rate"),
    Setting::positive("rate_ratio", 0.01, "what is left of it at the last level"),
    Setting::number("tau", 0, 0, 1000, "noise that the chain supposes; 0: the measurement's, at least 0.01"),
    Setting::text("chain_kind", "langevin", "langevin, hmc", "how the chain moves"),
    Setting::number("momentum", 0.9, 0, 1, "hmc"),
    Setting::flag("compat", "as the published code: tau 0.01, twice the gradient, timesteps by a formula")};

}  // namespace

const SolverKind daps_kind{
    "daps",
    "decoupled annealing: a chain to the measurement at each noise level; any operator",
    {},
    settings,
    [](const Settings& s, Posterior&) -> std::unique_ptr<Solver> {
      DapsOptions o;
      o.levels = s.integer("levels");
      o.ode_steps = s.integer("ode_steps");
      o.chain = s.integer("chain");
      o.sigma_max = s.number("sigma_max");
      o.sigma_min = s.number("sigma_min");
      o.rate = s.number("rate");
      o.rate_ratio = s.number("rate_ratio");
      o.tau = s.number("tau");
      o.hamiltonian = s.text("chain_kind") == "hmc";
      o.momentum = s.number("momentum");
      o.compat = s.flag("compat");
      return std::make_unique<Daps>(o);
    },
    0};

}  // namespace tweedie
