#include "engine/training/optimiser.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/adam.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {
namespace {

Tensor zeros_like(Context& context, const Tensor& x) {
  Tensor y = context.planar(x.shape());
  fill(context.queue, y, 0);
  return y;
}

}  // namespace

Optimiser::Optimiser(Context& context, const Tensor& parameters, const OptimiserOptions& options)
    : context_(context),
      options_(options),
      m_(zeros_like(context, parameters)),
      v_(zeros_like(context, parameters)),
      ema_(context.planar(parameters.shape())) {
  copy(context.queue, ema_, parameters);
}

double Optimiser::step(Tensor& parameters, Tensor& gradients, double rate) {
  const double norm = arena_norm(context_, gradients);
  if (!std::isfinite(norm)) return norm;
  AdamW adam{rate, options_.beta1, options_.beta2, options_.epsilon, options_.weight_decay};
  adam.step = ++steps_;
  adam.ema_rate = options_.ema_rate;
  // torch's clip_grad_norm_, its 1e-6 included.
  if (options_.clip > 0) adam.gradient_scale = std::min(1.0, options_.clip / (norm + 1e-6));
  adamw(context_.queue, parameters, m_, v_, ema_, gradients, adam);
  return norm;
}

double arena_norm(Context& context, const Tensor& arena) {
  TensorOf<double> squares = context.per_sample(1);
  sum_squares(context.queue, squares, arena);
  return std::sqrt(context.download(squares)[0]);
}

double RateCourse::at(std::int64_t step) const {
  double rate = peak;
  if (total > 0) {
    const double way =
        std::clamp(double(step - warmup) / double(std::max<std::int64_t>(1, total - warmup)), 0.0, 1.0);
    rate = peak * (floor + (1 - floor) * 0.5 * (1 + std::cos(std::numbers::pi * way)));
  }
  return step < warmup ? peak * double(step + 1) / double(warmup) : rate;
}

}  // namespace tweedie
