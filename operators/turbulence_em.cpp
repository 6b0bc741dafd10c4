#include "operators/turbulence_em.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/likelihood.hpp"
#include "kernels/elementwise.hpp"

namespace tweedie {

TiltSearch::TiltSearch(Context& context, Denoiser& prior, Schedule schedule, const TiltSearchOptions& options)
    : context_(context), prior_(prior), schedule_(std::move(schedule)), options_(options), at_(context) {
  require(options.sigma > 0 && options.step > 0 && options.iterations > 0, "displacements: sigma ",
          options.sigma, ", steps of ", options.step, ", ", options.iterations,
          " iterations; expected positive numbers");
}

Tensor TiltSearch::denoised(const Tensor& tilt, double noise) {
  const double bar = std::min(1 / (1 + noise * noise), schedule_.level(0).alphas_cumprod);
  at_.level = {timestep_of(schedule_, bar), bar};
  at_.x = context_.planar(tilt.shape());
  axpby(context_.queue, at_.x, float(std::sqrt(bar)), tilt, 0.f, tilt);
  at_.evaluate(prior_, 0, false);
  return at_.x0;
}

void TiltSearch::update(MovingTurbulence& op, const Tensor& x, double r2, const Tensor& y) {
  Queue& q = context_.queue;
  const double s2 = options_.step * options_.sigma * options_.sigma;
  for (int i = 0; i < options_.iterations; ++i) {
    Tensor residual = op.apply(x);
    axpby(q, residual, 1.f, y, -1.f, residual);
    residual = op.own_dual_solve(residual, x.shape(), r2, options_.sigma * options_.sigma);
    const Tensor gradient = op.tilt_gradient(x, residual);
    Tensor moved = context_.planar(gradient.shape());
    axpby(q, moved, 1.f, op.tilt(), float(s2), gradient);
    op.set_tilt(denoised(moved, std::sqrt(s2)));
  }
}

TurbulenceEmResult turbulence_em(Context& context, const SolverKind& kind, Denoiser& prior,
                                 const Schedule& schedule, const Tensor& kernel, Tensor y, double sigma,
                                 int rounds, TiltSearch* search, NoiseSource& noise,
                                 const TurbulenceEmObserver& observer) {
  require(rounds >= 0, "turbulence: ", rounds, " walks that find displacements");
  const Shape image = y.shape();
  Tensor still = context.planar({1, 2, image.H, image.W});
  fill(context.queue, still, 0);
  MovingTurbulence moving(context, image, kernel, std::move(still));
  Likelihood likelihood(context, moving, y, {sigma, 0});
  Posterior posterior{context, prior, schedule, likelihood, image, noise};
  if (const auto reason = refusal(kind, moving, likelihood.noise(), image)) throw Error(*reason);
  int steps = 0;  // of all walks so far
  const auto walk = [&](bool updates) {
    const std::unique_ptr<Solver> solver =
        kind.make(Settings(message("--method ", kind.name), kind.settings), posterior);
    return solve(*solver, posterior, [&](int executed, const Tensor&) {
      const double bar = schedule.level(schedule.steps() - 1 - executed).alphas_cumprod;
      if (updates) search->update(moving, solver->estimate(), 1 - bar, y);
      if (observer) observer(steps, *solver);
      ++steps;
      return true;
    });
  };
  for (int round = 0; search && round < rounds; ++round) walk(true);
  Tensor x = walk(false);
  return {std::move(x), moving.tilt()};
}

}  // namespace tweedie
