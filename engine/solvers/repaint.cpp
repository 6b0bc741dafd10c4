#include "engine/solvers/repaint.hpp"

#include <cmath>

#include "engine/solvers/ddnm.hpp"
#include "kernels/elementwise.hpp"

namespace tweedie {

int Repaint::steps(const Posterior& p) const {
  return int(travel_steps(p.schedule.steps(), options_.travel_length, options_.travel_repeat).size());
}

Tensor Repaint::start(Posterior& p) {
  travel_ = travel_steps(p.schedule.steps(), options_.travel_length, options_.travel_repeat);
  sampler_.method = Method::ddpm;
  sampler_.variance = p.prior.learns_variance() ? Variance::learned_range : Variance::fixed_small;
  guidance_.emplace(p.context, "repaint", p.likelihood, Lift::pseudo_inverse);
  step_.emplace(p.context, p.schedule, sampler_, p.noise);
  Tensor x = p.context.planar(p.image);
  p.noise.normal(x, Draw::initial, 0);
  return x;
}

Tensor Repaint::step(Posterior& p, Tensor x, int executed) {
  require(step_.has_value(), "RePaint: a step before the start");
  const auto [level, next] = travel_.at(std::size_t(executed));
  if (next < level) {
    step_->start(level, executed, std::move(x));
    return sample_step(*step_, p.prior, &*guidance_);
  }
  const std::vector<double>& bar = p.schedule.alphas_cumprod;
  const double kept = bar[std::size_t(next)] / bar[std::size_t(level)];
  Tensor back = p.context.planar(p.image);
  p.noise.normal(back, Draw::renoise, executed);
  axpby(p.context.queue, back, float(std::sqrt(kept)), x, float(std::sqrt(1 - kept)), back);
  return back;
}

namespace {

constexpr Setting settings[] = {
    Setting::whole("travel_length", 10, 1, 1000, "steps of a jump back in time"),
    Setting::whole("travel_repeat", 10, 1, 100, "passes over each of these stretches; 1: no jumps")};
constexpr const Need* inverse_needs[] = {&needs::pseudo_inverse};

}  // namespace

const SolverKind repaint_kind{
    "repaint",
    "projection, with jumps back in time so that the rest adapts to it; 250 steps, each ten times",
    inverse_needs,
    settings,
    [](const Settings& s, Posterior&) -> std::unique_ptr<Solver> {
      return std::make_unique<Repaint>(
          RepaintOptions{s.integer("travel_length"), s.integer("travel_repeat")});
    },
    250};

}  // namespace tweedie
