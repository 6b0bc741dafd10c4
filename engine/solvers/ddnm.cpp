#include "engine/solvers/ddnm.hpp"

#include <cmath>

#include "engine/solvers/proximal.hpp"

namespace tweedie {

std::vector<std::pair<int, int>> travel_steps(int steps, int length, int repeat) {
  // At every multiple of the length that a jump can start from, repeat - 1 jumps are left.
  std::vector<int> jumps(std::size_t(steps), 0);
  for (int j = 0; j < steps - length; j += length) jumps[std::size_t(j)] = repeat - 1;
  std::vector<int> levels;
  for (int t = steps; t >= 1;) {
    levels.push_back(--t);
    if (jumps[std::size_t(t)] > 0) {
      --jumps[std::size_t(t)];
      for (int k = 0; k < length; ++k) levels.push_back(++t);
    }
  }
  levels.push_back(-1);
  std::vector<std::pair<int, int>> pairs;
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) pairs.emplace_back(levels[i], levels[i + 1]);
  return pairs;
}

int Ddnm::steps(const Posterior& p) const {
  return int(travel_steps(p.schedule.steps(), options_.travel_length, options_.travel_repeat).size());
}

void Ddnm::prepare(Posterior& p) {
  if (at_) return;
  at_.emplace(p.context);
  travel_ = travel_steps(p.schedule.steps(), options_.travel_length, options_.travel_repeat);
  if (!plus_) return;
  Spectral& spectral = *p.likelihood.linear()->spectral(p.image);
  sum_.emplace(p.context, spectral, 4);
  Uty_ = spectral.Ut(p.likelihood.y(p.likelihood.op().output_shape(p.image)));
}

Tensor Ddnm::start(Posterior& p) {
  at_.reset();
  prepare(p);
  Tensor x = p.context.planar(p.image);
  p.noise.normal(x, Draw::initial, 0);
  return x;
}

Tensor Ddnm::by_inverse(Posterior& p, const Tensor& z, double bar) {
  Queue& q = p.context.queue;
  Evaluation& at = *at_;
  const Tensor residual = p.likelihood.residual(at.x0);
  Tensor next = pseudo_inverse(p.context, *p.likelihood.linear(), residual, p.image);
  add(q, next, next, at.x0);
  const double st = std::sqrt(1 - bar), eta = options_.eta;
  axpbypcz(q, next, float(std::sqrt(bar)), next, float(st * eta), z, float(st * std::sqrt(1 - eta * eta)),
           at.prediction.eps);
  return next;
}

Tensor Ddnm::by_components(Posterior& p, const Tensor& z, double bar) {
  Evaluation& at = *at_;
  Spectral& spectral = *p.likelihood.linear()->spectral(p.image);
  const auto components = [&](const Tensor& noise) {
    return spectral.Vt(options_.compat_turn ? options_.compat_turn(noise) : noise);
  };
  const Tensor x0 = spectral.Vt(at.x0), eps = components(at.prediction.eps), zc = components(z);
  const double a = std::sqrt(bar), st = std::sqrt(1 - bar), sy = p.likelihood.noise().sigma,
               eta = options_.eta, kept = std::sqrt(1 - eta * eta);
  const Tensor c = (*sum_)({&x0, &eps, &Uty_, &zc}, [&](double* w, double s, bool) {
    double moved = 0, d1 = st * eta, d2 = st * kept;
    if (s > 0 && st >= a * sy / s) {
      moved = 1, d1 = std::sqrt(st * st - a * a * sy * sy / (s * s)), d2 = 0;
    } else if (s > 0) {
      moved = s * st * kept / (a * sy), d2 = 0;
    }
    w[0] = a * (1 - moved), w[1] = d2, w[2] = moved > 0 ? a * moved / s : 0, w[3] = d1;
  });
  return spectral.V(c);
}

Tensor Ddnm::step(Posterior& p, Tensor x, int executed) {
  prepare(p);
  const auto [level, next] = travel_.at(std::size_t(executed));
  Tensor z = p.context.planar(p.image);
  p.noise.normal(z, Draw::step, executed);
  const double bar = next < 0 ? 1 : p.schedule.alphas_cumprod[std::size_t(next)];
  Evaluation& at = *at_;
  if (next > level) {  // back, from the last estimate
    require(bool(at.x0), "DDNM: a jump back before the first estimate");
    Tensor back = p.context.planar(p.image);
    axpby(p.context.queue, back, float(std::sqrt(bar)), at.x0, float(std::sqrt(1 - bar)), z);
    return back;
  }
  at.x = std::move(x);
  at.level = p.schedule.level(level);
  at.evaluate(p.prior, false, false);
  p.likelihood.misfit(misfit_, at.x0);
  return plus_ ? by_components(p, z, bar) : by_inverse(p, z, bar);
}

namespace {

constexpr Setting settings[] = {
    Setting::number("eta", 0.85, 0, 1, "share of new noise"),
    Setting::whole("travel_length", 1, 1, 1000, "steps of a jump back in time"),
    Setting::whole("travel_repeat", 1, 1, 100, "passes over each of these stretches; 1: no jumps")};
constexpr const Need* inverse_needs[] = {&needs::inverse, &needs::gaussian};
constexpr const Need* spectrum_needs[] = {&needs::spectrum, &needs::gaussian};

template <bool plus>
std::unique_ptr<Solver> make(const Settings& s, Posterior&) {
  return std::make_unique<Ddnm>(
      DdnmOptions{s.number("eta"), s.integer("travel_length"), s.integer("travel_repeat")}, plus);
}

}  // namespace

const SolverKind ddnm_kind{
    "ddnm",
    "null-space models: the measured part of the estimate replaced; for little noise; 100 steps",
    inverse_needs,
    settings,
    make<false>,
    100,
    Spacing::strided};
const SolverKind ddnm_plus_kind{
    "ddnm+",         "the same for any noise, each singular component as far as the noise allows; 100 steps",
    spectrum_needs,  settings,
    make<true>,      100,
    Spacing::strided};

}  // namespace tweedie
