#include "engine/sampler.hpp"

#include <cmath>

#include "engine/multistep.hpp"
#include "engine/score_sde.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/range.hpp"

namespace tweedie {
namespace {

std::size_t at(int index) { return std::size_t(index); }

// x' = posterior mean of (x0_hat, x_t) + noise of the chosen variance. (Ho et al. 2020, Eq. 7; learned range:
// Nichol & Dhariwal 2021, Eq. 15.)
void ancestral_step(const Step& s, View<float> next, View<const float> noise) {
  const Schedule& d = s.schedule;
  const float a = float(d.posterior_mean_coef1[at(s.index)]), b = float(d.posterior_mean_coef2[at(s.index)]);
  Queue& q = s.context.queue;
  const double log_beta = std::log(d.betas[at(s.index)]);
  const double log_posterior = d.posterior_log_variance_clipped[at(s.index)];
  if (s.index == 0) return axpby(q, next, a, s.x0, b, s.x);
  if (s.options.variance == Variance::learned_range) {
    require(bool(s.prediction.v), "sampler: learned-range variance needs a network that predicts it");
    return ancestral_learned(q, next, a, s.x0, b, s.x, s.prediction.v, noise, float(log_beta),
                             float(log_posterior));
  }
  const double log_variance = s.options.variance == Variance::fixed_small ? log_posterior : log_beta;
  axpbypcz(q, next, a, s.x0, b, s.x, float(std::exp(0.5 * log_variance)), noise);
}

// Song et al. 2021 (DDIM), Eq. 12, with eps re-derived from the clipped x0_hat: eps = (a x_t - x0_hat) / b.
void ddim_step(const Step& s, View<float> next, View<const float> noise) {
  const double bar = s.alphas_cumprod(), previous = s.schedule.alphas_cumprod_prev[at(s.index)];
  const double sigma = s.options.eta * std::sqrt((1 - previous) / (1 - bar)) * std::sqrt(1 - bar / previous);
  const double to_noise = std::sqrt(1 - previous - sigma * sigma);
  const float on_x0 = float(std::sqrt(previous) - to_noise / s.b()), on_x = float(to_noise * s.a() / s.b());
  axpbypcz(s.context.queue, next, on_x0, s.x0, on_x, s.x, s.index == 0 ? 0.f : float(sigma), noise);
}

Tensor guided(Guidance* guidance, Step& step, Tensor next) {
  if (!guidance) return next;
  const Range range("guidance");
  return guidance->apply(step, std::move(next));
}

// Langevin updates of step.x at its own noise level, each a guided step.
void correct(Step& step, Denoiser& denoiser, Guidance* guidance) {
  step.stays = true;
  for (int k = 0; k < step.options.corrections; ++k) {
    step.denoise(denoiser, guidance && guidance->needs_gradient());
    Tensor draw = step.context.planar(step.x.shape());
    step.noise.ancestral(draw, step.executed);
    step.x = guided(guidance, step, langevin_update(step, std::move(draw)));
  }
  step.stays = false;
}

}  // namespace

StreamNoise::StreamNoise(Context& context, std::span<const std::uint64_t> streams) : context_(context) {
  const std::uint64_t before = context.position();
  for (const std::uint64_t stream : streams) {
    context.start_stream(stream);
    positions_.push_back(context.position());
  }
  context.go_to(before);
}

void StreamNoise::draw(View<float> out, void (Context::*fill)(View<float>)) {
  const int streams = int(positions_.size());
  require(streams > 0 && out.N() % streams == 0, "noise: ", out.N(), " samples of ", streams, " streams");
  const int each = out.N() / streams;
  const std::uint64_t before = context_.position();
  for (int k = 0; k < streams; ++k) {
    View<float> its = out.sample(k * each);
    its.shape.N = each;
    context_.go_to(positions_[std::size_t(k)]);
    (context_.*fill)(its);
    positions_[std::size_t(k)] = context_.position();
  }
  context_.go_to(before);
}

bool is_single_step(Method method) {
  return method == Method::ddpm || method == Method::ddim || method == Method::sde;
}

Tensor propose(Step& s, const Tensor& draw) {
  Tensor next = s.context.planar(s.x.shape());
  switch (s.options.method) {
    case Method::ddpm:
      ancestral_step(s, next, draw);
      break;
    case Method::ddim:
      ddim_step(s, next, draw);
      break;
    case Method::sde:
    case Method::pc:
      reverse_sde_step(s, next, draw);
      break;
    case Method::ode:
      probability_flow_step(s, next);
      break;
    case Method::langevin:
      copy(s.context.queue, next, s.x0);
      break;
    case Method::dpmpp2:
    case Method::dpmpp3:
      multistep(s, next);
      break;
  }
  return next;
}

Tensor sample_step(Step& step, Denoiser& denoiser, Guidance* guidance) {
  const SamplerOptions& o = step.options;
  require_valid(o);
  require(o.method != Method::ddpm || o.variance != Variance::learned_range || denoiser.learns_variance(),
          "sampler: learned-range variance needs a network that predicts it; use fixed_small");
  require(step.x.b() == 1, "sampler: the state must be planar");
  const Method method = o.method;
  if (method == Method::pc || method == Method::langevin) correct(step, denoiser, guidance);
  if (method == Method::langevin && step.index > 0) return carried_over(step);
  step.denoise(denoiser, guidance && guidance->needs_gradient());
  Tensor draw;
  if (is_single_step(method) || method == Method::pc) {
    draw = step.context.planar(step.x.shape());
    step.noise.ancestral(draw, step.executed);
  }
  Tensor next = guided(guidance, step, propose(step, draw));
  if (method == Method::ode && step.index > 0) heun_correction(step, denoiser, next);
  return next;
}

Tensor sample(Context& context, Denoiser& denoiser, const Schedule& schedule, const SamplerOptions& options,
              Tensor x, Guidance* guidance, NoiseSource& noise, const Observer& observer) {
  Step step(context, schedule, options, noise);
  for (int executed = 0; executed < schedule.steps(); ++executed) {
    step.start(schedule.steps() - 1 - executed, executed, std::move(x));
    {
      const Range range("step");
      x = sample_step(step, denoiser, guidance);
    }
    if (observer && !observer(step, x)) break;
  }
  return x;
}

}  // namespace tweedie
