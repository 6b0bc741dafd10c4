#include "engine/training/objective.hpp"

#include <cmath>

namespace tweedie {
namespace {

TensorOf<double> upload(Context& context, Shape shape, const double* values) {
  TensorOf<double> x(context.pool, shape);
  copy_from_host(context.queue, x.data(), values, std::size_t(shape.size()) * sizeof(double));
  return x;
}

}  // namespace

double Objective::loss(double mse, double vb) const {
  switch (kind) {
    case Kind::simple:
      return mse;
    case Kind::hybrid:
      return mse + factor * vb;
    case Kind::bound:
      break;
  }
  return factor * vb;
}

Objective default_objective(bool learns_variance, int steps) {
  if (!learns_variance) return {};
  return {Objective::Kind::hybrid, steps / 1000.0};
}

DiffusionLossRow loss_row(const Schedule& s, int t, const Objective& objective, double weight) {
  require(t >= 0 && t < s.steps(), "loss: timestep ", t, " of a schedule of ", s.steps());
  const std::size_t i = std::size_t(t);
  DiffusionLossRow row;
  row.recip = s.sqrt_recip_alphas_cumprod[i];
  row.recipm1 = s.sqrt_recipm1_alphas_cumprod[i];
  row.coef1 = s.posterior_mean_coef1[i];
  row.coef2 = s.posterior_mean_coef2[i];
  row.log_beta = std::log(s.betas[i]);
  row.log_posterior = s.posterior_log_variance_clipped[i];
  row.is_first = t == 0;
  row.mse_weight = objective.kind == Objective::Kind::bound ? 0 : weight;
  row.vb_weight = objective.kind == Objective::Kind::simple ? 0 : weight * objective.factor;
  row.through_mean = objective.kind == Objective::Kind::bound;
  return row;
}

NoisedBatch::NoisedBatch(Context& context, const Schedule& schedule, const Objective& objective,
                         Tensor x_start, Tensor noise, std::span<const int> indices,
                         std::span<const double> weights)
    : context_(context), objective_(objective), x_start_(std::move(x_start)), noise_(std::move(noise)) {
  const int N = x_start_.shape().N;
  require(indices.size() == std::size_t(N) && weights.size() == std::size_t(N), "training batch of ", N, ": ",
          indices.size(), " timesteps and ", weights.size(), " weights");
  std::vector<DiffusionLossRow> rows;
  std::vector<double> factors;
  for (std::size_t n = 0; n < indices.size(); ++n) {
    rows.push_back(loss_row(schedule, indices[n], objective, weights[n]));
    const double abar = schedule.alphas_cumprod[std::size_t(indices[n])];
    factors.insert(factors.end(), {std::sqrt(abar), std::sqrt(1 - abar)});
  }
  rows_ = upload(context, {N, diffusion_loss_fields, 1, 1}, reinterpret_cast<const double*>(rows.data()));
  x_t_ = context.planar(x_start_.shape());
  q_sample(context.queue, x_t_, x_start_, noise_, upload(context, {N, 2, 1, 1}, factors.data()));
}

NoisedBatch::Losses NoisedBatch::losses(Tensor& gradient, const Tensor& output) {
  const int N = x_start_.shape().N;
  TensorOf<double> terms(context_.pool, {N, 2, 1, 1});
  gradient = context_.planar(output.shape());
  diffusion_loss(context_.queue, gradient, terms, output, x_start_, x_t_, noise_, rows_);
  const std::vector<double> values = context_.download(terms);
  Losses losses;
  for (int n = 0; n < N; ++n) {
    losses.mse.push_back(values[std::size_t(2 * n)]);
    losses.vb.push_back(values[std::size_t(2 * n + 1)]);
    losses.loss.push_back(objective_.loss(losses.mse.back(), losses.vb.back()));
  }
  return losses;
}

}  // namespace tweedie
