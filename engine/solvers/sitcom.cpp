#include "engine/solvers/sitcom.hpp"

#include <cmath>

#include "kernels/adam.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {

Tensor Sitcom::start(Posterior& p) {
  Context& context = p.context;
  at_.emplace(context);
  m_ = context.planar(p.image), v_ = context.planar(p.image);
  misfit_ = context.per_sample(p.image.N), measured_ = context.per_sample(p.image.N);
  Tensor ones = context.planar(p.likelihood.op().output_shape(p.image));
  fill(context.queue, ones, 1.f);
  p.likelihood.op().discard_unmeasured(ones);
  sum_squares(context.queue, measured_.view(), ones);
  Tensor x = context.planar(p.image);
  p.noise.normal(x, Draw::initial, 0);
  return x;
}

bool Sitcom::unexplained(Posterior& p, Tensor& residual, Scalars& done) {
  Context& context = p.context;
  residual = p.likelihood.residual(at_->x0);
  sum_squares(context.queue, misfit_.view(), residual);
  Scalars squares(context, p.image.N), measured(context, p.image.N);
  context.download(squares, misfit_);
  context.download(measured, measured_);
  const double level = p.likelihood.noise().sigma + options_.tolerance;
  bool any = false;
  for (std::size_t n = 0; n < squares.size(); ++n) {
    done[n] = squares[n] <= level * level * measured[n] ? 1 : 0;
    any = any || done[n] == 0;
  }
  return any;
}

Tensor Sitcom::step(Posterior& p, Tensor x, int executed) {
  Context& context = p.context;
  Queue& q = context.queue;
  Evaluation& at = *at_;
  const int index = p.schedule.steps() - 1 - executed;
  at.level = p.schedule.level(index);
  at.x = std::move(x);
  fill(q, m_, 0.f);
  fill(q, v_, 0.f);
  Scalars done(context, p.image.N);
  AdamW adam;
  adam.rate = options_.rate;
  for (int k = 0; k <= options_.iterations; ++k) {
    at.evaluate(p.prior, 1, k < options_.iterations);
    Tensor residual;
    if (!unexplained(p, residual, done) || k == options_.iterations) break;
    Tensor g = at.pull_back(p.likelihood.pull_back(residual));
    axpby(q, g, -2.f, g, 0.f, g);
    adam.step = k + 1;
    for (int n = 0; n < p.image.N; ++n)
      if (done[std::size_t(n)] == 0)
        adamw(q, at.x.view().sample(n), m_.view().sample(n), v_.view().sample(n), View<float>(),
              g.view().sample(n), adam);
  }
  const double next = p.schedule.alphas_cumprod_prev[std::size_t(index)];
  Tensor z = context.planar(p.image);
  p.noise.normal(z, Draw::step, executed);
  axpby(q, z, float(std::sqrt(next)), at.x0, float(std::sqrt(1 - next)), z);
  return z;
}

namespace {

constexpr Setting settings[] = {
    Setting::whole("iterations", 20, 1, 100000, "of Adam at each noise level, at most"),
    Setting::positive("rate", 0.01, "of Adam").spelled("--learning-rate"),
    Setting::number("tolerance", 1e-3, 0, 10, "by which the misfit may be above the noise")};
constexpr const Need* needed[] = {&needs::gaussian};

}  // namespace

const SolverKind sitcom_kind{
    "sitcom",
    "the network's input moves until its estimate explains the measurement; any operator; 20 steps",
    needed,
    settings,
    [](const Settings& s, Posterior&) -> std::unique_ptr<Solver> {
      return std::make_unique<Sitcom>(
          SitcomOptions{s.integer("iterations"), s.number("rate"), s.number("tolerance")});
    },
    20,
    Spacing::strided};

}  // namespace tweedie
