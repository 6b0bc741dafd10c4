#include "engine/solvers/pnp_admm.hpp"

#include <algorithm>
#include <cmath>

#include "engine/solvers/proximal.hpp"
#include "kernels/elementwise.hpp"

namespace tweedie {

Tensor PnpAdmm::start(Posterior& p) {
  at_.emplace(p.context);
  u_ = p.context.planar(p.image);
  Tensor z = p.context.planar(p.image);
  fill(p.context.queue, u_, 0);
  fill(p.context.queue, z, 0);
  return z;
}

Tensor PnpAdmm::step(Posterior& p, Tensor z, int) {
  require(at_.has_value(), "PnP-ADMM: a step before the start");
  Queue& q = p.context.queue;
  Evaluation& at = *at_;
  const double sd = options_.denoiser_sigma, bar = 1 / (1 + sd * sd),
               ratio = std::max(p.likelihood.noise().sigma, 2e-3) / sd;
  axpby(q, z, 1.f, z, -1.f, u_);
  LinearOperator& op = *p.likelihood.linear();
  const Tensor x = proximal(p.context, op, z, p.likelihood.y(op.output_shape(p.image)), ratio * ratio);
  add(q, u_, u_, x);
  at.level = {timestep_of(p.schedule, bar), bar};
  at.x = p.context.planar(p.image);
  axpby(q, at.x, float(std::sqrt(bar)), u_, 0.f, u_);
  at.evaluate(p.prior, 1, false);
  p.likelihood.misfit(misfit_, at.x0);
  axpby(q, u_, 1.f, u_, -1.f, at.x0);
  copy(q, z, at.x0);
  return z;
}

namespace {

constexpr Setting settings[] = {
    Setting::whole("iterations", 30, 1, 100000, "each an evaluation of the prior"),
    Setting::positive("denoiser_sigma", 0.1, "noise that the prior takes away in each, of [-1, 1] images")};
constexpr const Need* linear_needs[] = {&needs::linear, &needs::gaussian};

}  // namespace

const SolverKind pnp_admm_kind{
    "pnp-admm",
    "plug-and-play ADMM: the prior as a denoiser of fixed strength; an estimate, nothing random; 30 "
    "evaluations",
    linear_needs, settings, [](const Settings& s, Posterior&) -> std::unique_ptr<Solver> {
      return std::make_unique<PnpAdmm>(PnpAdmmOptions{s.integer("iterations"), s.number("denoiser_sigma")});
    }};

}  // namespace tweedie
