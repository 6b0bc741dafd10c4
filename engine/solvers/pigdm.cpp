#include "engine/solvers/pigdm.hpp"

#include <algorithm>
#include <cmath>

#include "engine/solvers/conjugate_gradients.hpp"
#include "engine/solvers/proximal.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {
namespace {

/// DDIM's shares of new noise and of the estimated one (Song et al., ICLR 2021, Eq. 12).
struct Ddim {
  double c1, c2;
  Ddim(double bar, double next, double eta)
      : c1(eta * std::sqrt(std::max((1 - next) / (1 - bar) * (1 - bar / next), 0.0))),
        c2(std::sqrt(std::max(1 - next - c1 * c1, 0.0))) {}
};

void evaluate(std::optional<Evaluation>& at, Posterior& p, Tensor x, int executed) {
  if (!at) at.emplace(p.context);
  at->x = std::move(x);
  at->level = p.schedule.level(p.schedule.steps() - 1 - executed);
  at->evaluate(p.prior, false, true);
}

double next_bar(const Posterior& p, int executed) {
  return p.schedule.alphas_cumprod_prev[std::size_t(p.schedule.steps() - 1 - executed)];
}

}  // namespace

Tensor Pigdm::start(Posterior& p) {
  Tensor x = p.context.planar(p.image);
  p.noise.normal(x, Draw::initial, 0);
  if (!compat_) return x;
  const double bar = p.schedule.alphas_cumprod.back();
  const Tensor& y = p.likelihood.y(p.likelihood.op().output_shape(p.image));
  axpby(p.context.queue, x, float(std::sqrt(bar)),
        pseudo_inverse(p.context, *p.likelihood.linear(), y, p.image), float(std::sqrt(1 - bar)), x);
  return x;
}

Tensor Pigdm::step(Posterior& p, Tensor x, int executed) {
  Queue& q = p.context.queue;
  evaluate(at_, p, std::move(x), executed);
  Evaluation& at = *at_;
  p.likelihood.misfit(misfit_, at.x0);
  const double bar = at.alphas_cumprod(), next = next_bar(p, executed), r2 = 1 - bar,
               sigma = p.likelihood.noise().sigma;
  const Tensor residual = p.likelihood.residual(at.x0);
  LinearOperator& op = *p.likelihood.linear();
  Tensor back;
  if (compat_) {
    back = pseudo_inverse(p.context, op, residual, p.image);
  } else {
    back = kalman_step(p.context, op, residual, p.image, r2, std::max(sigma * sigma, 1e-6));
    axpby(q, back, float(r2), back, 0.f, back);
  }
  const Tensor g = at.pull_back(back);
  const Ddim ddim(bar, next, eta_);
  Tensor z = p.context.planar(p.image), result = p.context.planar(p.image);
  p.noise.normal(z, Draw::step, executed);
  axpbypcz(q, result, float(std::sqrt(next)), at.x0, float(ddim.c1), z, float(ddim.c2), at.prediction.eps);
  axpby(q, result, 1.f, result, float(weight_ * std::sqrt(next * bar)), g);
  return result;
}

Tensor Mmps::start(Posterior& p) {
  Tensor x = p.context.planar(p.image);
  p.noise.normal(x, Draw::initial, 0);
  return x;
}

Tensor Mmps::step(Posterior& p, Tensor x, int executed) {
  Queue& q = p.context.queue;
  evaluate(at_, p, std::move(x), executed);
  Evaluation& at = *at_;
  p.likelihood.misfit(misfit_, at.x0);
  const double bar = at.alphas_cumprod(), next = next_bar(p, executed);
  const Ddim ddim(bar, next, eta_);
  Tensor corrected = correction(p, at);
  add(q, corrected, corrected, at.x0);
  Tensor z = p.context.planar(p.image);
  p.noise.normal(z, Draw::step, executed);
  // eps' = (x_t - sqrt(abar_t) x0') / sqrt(1 - abar_t)
  const double on_eps = ddim.c2 / std::sqrt(1 - bar);
  Tensor result = p.context.planar(p.image);
  axpbypcz(q, result, float(std::sqrt(next) - on_eps * std::sqrt(bar)), corrected, float(on_eps), at.x,
           float(ddim.c1), z);
  return result;
}

Tensor Mmps::correction(Posterior& p, Evaluation& at) const {
  Context& context = p.context;
  Queue& q = context.queue;
  LinearOperator& op = *p.likelihood.linear();
  const double bar = at.alphas_cumprod(), sigma = std::max(p.likelihood.noise().sigma, 1e-2);
  const float gamma = float((1 - bar) / std::sqrt(bar));
  const Tensor residual = p.likelihood.residual(at.x0);
  Tensor w, pulled, result = context.planar(p.image);
  fill(q, result, 0);
  const auto M = [&](const Tensor& v) {
    if (pulled) at.evaluate(p.prior, false, true);  // the first way back is the evaluation's own
    pulled = at.pull_back(op.adjoint(v, p.image));
    axpby(q, pulled, gamma, pulled, 0.f, pulled);
    Tensor Mv = op.apply(pulled);
    axpby(q, Mv, 1.f, Mv, float(sigma * sigma), v);
    return Mv;
  };
  const Alongside alongside{pulled, result};
  conjugate_gradients(context, w, std::ref(M), residual, 1e-6, iterations_, {}, {}, &alongside);
  return result;
}

namespace {

constexpr Setting pigdm_settings[] = {
    Setting::number("eta", 1, 0, 1, "share of new noise; 0 is deterministic"),
    Setting::flag("compat", "as RED-diff's repository has it: the noise does not enter"),
    Setting::positive("gradient_weight", 1, "of the gradient, compat only").spelled("")};
constexpr Setting mmps_settings[] = {
    Setting::number("eta", 1, 0, 1, "share of new noise; 0 is deterministic"),
    Setting::whole("iterations", 3, 1, 1000,
                   "of conjugate gradients in a step, each an evaluation and its gradient")};
constexpr const Need* linear_needs[] = {&needs::linear, &needs::gaussian};

}  // namespace

const SolverKind pigdm_kind{
    "pigdm",
    "pseudo-inverse guidance: no step size; 100 steps",
    linear_needs,
    pigdm_settings,
    [](const Settings& s, Posterior& p) -> std::unique_ptr<Solver> {
      const bool compat = s.flag("compat");
      require(!compat || needs::inverse.met(p.likelihood.op(), p.likelihood.noise(), p.image),
              "method pigdm, compat: needs ", needs::inverse.what);
      return std::make_unique<Pigdm>(s.number("eta"), compat ? s.number("gradient_weight") : 1, compat);
    },
    100,
    Spacing::strided};

const SolverKind mmps_kind{
    "mmps",
    "moment matching: no step size, the covariance by the network's gradient; 100 steps",
    linear_needs,
    mmps_settings,
    [](const Settings& s, Posterior&) -> std::unique_ptr<Solver> {
      return std::make_unique<Mmps>(s.number("eta"), s.integer("iterations"));
    },
    100,
    Spacing::strided};

}  // namespace tweedie
