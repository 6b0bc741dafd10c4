#include "engine/score_sde.hpp"

#include <cmath>

#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {
namespace {

bool exploding(const Step& s) { return s.options.parameterisation == Parameterisation::ve; }

double sigma(double bar) { return std::sqrt((1 - bar) / bar); }

/// A vector as a combination of the state and its x0_hat.
struct Combination {
  double on_x, on_x0;
};

// score = -(x - sqrt(abar) x0_hat) / (1 - abar)
Combination score(double bar) { return {-1 / (1 - bar), std::sqrt(bar) / (1 - bar)}; }

// eps = (x_ve - x0_hat) / sigma
Combination noise_estimate(double bar) { return {1 / std::sqrt(1 - bar), -1 / sigma(bar)}; }

/// The probability flow over one step: next = carry x + length slope.
struct Flow {
  double carry, length;
};

Flow flow(const Step& s) {
  const double bar = s.alphas_cumprod(), next = s.next_alphas_cumprod();
  if (!exploding(s)) return {1, std::log(next / bar)};
  return {std::sqrt(next / bar), std::sqrt(next) * (sigma(next) - sigma(bar))};
}

Combination slope(const Step& s) {
  const double bar = s.alphas_cumprod();
  if (exploding(s)) return noise_estimate(bar);
  const Combination c = score(bar);
  return {(1 + c.on_x) / 2, c.on_x0 / 2};
}

}  // namespace

void reverse_sde_step(const Step& s, View<float> next, View<const float> noise) {
  const double bar = s.alphas_cumprod(), after = s.next_alphas_cumprod();
  double on_x, on_x0, on_noise;
  if (exploding(s)) {
    const double kept = std::pow(sigma(after) / sigma(bar), 2);
    on_x = std::sqrt(after / bar) * kept;
    on_x0 = std::sqrt(after) * (1 - kept);
    on_noise = std::sqrt(after * (1 - kept)) * sigma(bar);
  } else {
    const double beta = s.schedule.betas[std::size_t(s.index)];
    const Combination c = score(bar);
    on_x = 1 + beta * (0.5 + c.on_x);
    on_x0 = beta * c.on_x0;
    on_noise = std::sqrt(beta);
  }
  axpbypcz(s.context.queue, next, float(on_x), s.x, float(on_x0), s.x0, s.index == 0 ? 0.f : float(on_noise),
           noise);
}

void probability_flow_step(const Step& s, View<float> next) {
  const Flow f = flow(s);
  const Combination d = slope(s);
  axpby(s.context.queue, next, float(f.carry + f.length * d.on_x), s.x, float(f.length * d.on_x0), s.x0);
}

void heun_correction(Step& step, Denoiser& denoiser, Tensor& next) {
  Step end(step.context, step.schedule, step.options, step.noise, step.index - 1, step.executed, next);
  end.denoise(denoiser, false);
  const double half = flow(step).length / 2;
  const Combination d = slope(step), e = slope(end);
  Queue& q = step.context.queue;
  axpbypcz(q, next, float(1 + half * e.on_x), next, float(half * e.on_x0), end.x0, float(-half * d.on_x),
           step.x);
  axpby(q, next, 1.f, next, float(-half * d.on_x0), step.x0);
}

Tensor langevin_update(const Step& s, Tensor z) {
  Queue& q = s.context.queue;
  const double bar = s.alphas_cumprod(), r = s.options.snr;
  const Combination c = score(bar);
  Tensor next = s.context.planar(s.x.shape());
  if (s.options.method == Method::langevin) {
    const double e = 2 * r * r * (1 - bar);
    axpbypcz(q, next, float(1 + e * c.on_x), s.x, float(e * c.on_x0), s.x0, float(std::sqrt(2 * e)), z);
    return next;
  }
  Tensor g = s.context.planar(s.x.shape()), k = s.context.planar(s.x.shape());
  TensorOf<double> squares = s.context.per_sample(s.x.shape().N);
  axpby(q, g, float(c.on_x), s.x, float(c.on_x0), s.x0);
  // rho = |z| / |g| of each sample without waiting for it on the host: k of length rho, then of 1 / rho,
  // after which dividing by |k| multiplies by rho.
  sum_squares(q, squares.view(), g);
  divide_by_norm(q, k, z, squares.view(), 1.f);
  sum_squares(q, squares.view(), k);
  divide_by_norm(q, k, k, squares.view(), 1.f);
  divide_by_norm(q, k, k, squares.view(), 1.f);
  sum_squares(q, squares.view(), k);
  const double alpha = exploding(s) ? 1 : 1 - s.schedule.betas[std::size_t(s.index)];
  // e g = 2 alpha r^2 rho^2 g and sqrt(2 e) z = 2 sqrt(alpha) r rho z
  const double root = std::sqrt(2 * alpha) * r;
  divide_by_norm(q, g, g, squares.view(), float(root));
  divide_by_norm(q, g, g, squares.view(), float(root));
  divide_by_norm(q, z, z, squares.view(), float(std::sqrt(2.) * root));
  axpbypcz(q, next, 1.f, s.x, 1.f, g, 1.f, z);
  return next;
}

Tensor carried_over(const Step& s) {
  Tensor next = s.context.planar(s.x.shape());
  axpby(s.context.queue, next, float(std::sqrt(s.next_alphas_cumprod() / s.alphas_cumprod())), s.x, 0.f, s.x);
  return next;
}

}  // namespace tweedie
