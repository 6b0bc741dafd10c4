#include "engine/solvers/ddrm.hpp"

#include <cmath>

namespace tweedie {
namespace {

double noise_level(double bar) { return std::sqrt((1 - bar) / bar); }

}  // namespace

void Ddrm::prepare(Posterior& p) {
  if (at_) return;
  at_.emplace(p.context);
  Spectral& spectral = *p.likelihood.linear()->spectral(p.image);
  start_.emplace(p.context, spectral, 2);
  sum_.emplace(p.context, spectral, 4);
  Uty_ = spectral.Ut(p.likelihood.y(p.likelihood.op().output_shape(p.image)));
}

Tensor Ddrm::start(Posterior& p) {
  at_.reset();
  prepare(p);
  Spectral& spectral = *p.likelihood.linear()->spectral(p.image);
  const double sy = p.likelihood.noise().sigma, sT = noise_level(p.schedule.alphas_cumprod.back());
  Tensor n = p.context.planar(p.image);
  p.noise.normal(n, Draw::initial, 0);
  const Tensor c = spectral.Vt(n);
  return spectral.V((*start_)({&Uty_, &c}, [&](double* w, double s, bool) {
    const bool known = s * sT > sy;
    w[0] = known ? 1 / s / sT : 0;
    w[1] = known ? std::sqrt(sT * sT - sy * sy / (s * s)) / sT : 1;
  }));
}

Tensor Ddrm::step(Posterior& p, Tensor x, int executed) {
  prepare(p);
  Queue& q = p.context.queue;
  const std::size_t index = std::size_t(p.schedule.steps() - 1 - executed);
  Evaluation& at = *at_;
  at.x = std::move(x);
  at.level = p.schedule.level(int(index));
  at.evaluate(p.prior, false, false);
  p.likelihood.misfit(misfit_, at.x0);
  Tensor z = p.context.planar(p.image);
  p.noise.normal(z, Draw::step, executed);
  Spectral& spectral = *p.likelihood.linear()->spectral(p.image);
  const Tensor x0 = spectral.Vt(at.x0), eps = spectral.Vt(at.prediction.eps), zc = spectral.Vt(z);
  const double bar = p.schedule.alphas_cumprod_prev[index], sg = noise_level(bar),
               sy = p.likelihood.noise().sigma, eta = options_.eta, etab = options_.etab,
               kept = std::sqrt(1 - eta * eta);
  const Tensor c = (*sum_)({&x0, &eps, &Uty_, &zc}, [&](double* w, double s, bool listed) {
    w[0] = 1, w[1] = w[2] = w[3] = 0;
    if (!listed || (s == 0 && sy == 0)) {
      w[1] = kept * sg, w[3] = eta * sg;
    } else if (sg * s < sy) {
      w[0] = 1 - kept * sg * s / sy, w[2] = kept * sg / sy, w[3] = eta * sg;
    } else if (sg * s > sy) {
      w[0] = 1 - etab, w[2] = etab / s, w[3] = std::sqrt(sg * sg - etab * etab * sy * sy / (s * s));
    } else if (!options_.compat) {
      w[0] = 0, w[2] = 1 / s;
    }
  });
  Tensor next = spectral.V(c);
  axpby(q, next, float(std::sqrt(bar)), next, 0.f, next);
  return next;
}

namespace {

constexpr Setting settings[] = {
    Setting::number("eta", 0.85, 0, 1, "share of new noise in what the measurement does not know better"),
    Setting::number("etab", 1, 0, 1, "how far components that the measurement knows better go to it"),
    Setting::flag("compat", "as the published code: without noise the result does not measure y exactly")};
constexpr const Need* ddrm_needs[] = {&needs::spectrum, &needs::gaussian};

}  // namespace

const SolverKind ddrm_kind{
    "ddrm",
    "denoising diffusion restoration: each singular component by itself; 20 steps",
    ddrm_needs,
    settings,
    [](const Settings& s, Posterior&) -> std::unique_ptr<Solver> {
      return std::make_unique<Ddrm>(DdrmOptions{s.number("eta"), s.number("etab"), s.flag("compat")});
    },
    20,
    Spacing::strided};

}  // namespace tweedie
