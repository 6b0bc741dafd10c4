#include "engine/solvers/tds.hpp"

#include <algorithm>
#include <cmath>

#include "engine/solvers/proximal.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {
namespace {

/// A few bytes and a wait: little beside the network's step.
void to_host(Queue& q, std::vector<double>& values, const TensorOf<double>& sums) {
  values.resize(std::size_t(sums.shape().N));
  copy_to_host(q, values.data(), sums.data(), values.size() * sizeof(double));
}

}  // namespace

Tensor Tds::start(Posterior& p) {
  at_.emplace(p.context);
  const int P = options_.particles, N = p.image.N;
  likelihood_ = &p.likelihood;
  if (const Tensor& y = p.likelihood.y(); y.shape().N > 1) {
    Tensor each = p.context.planar({N * P, y.shape().C, y.shape().H, y.shape().W});
    for (int n = 0; n < N * P; ++n) copy(p.context.queue, each.view().sample(n), y.view().sample(n / P));
    likelihood_ = &repeated_.emplace(p.context, p.likelihood.op(), each, p.likelihood.noise());
  }
  log_weight_.assign(std::size_t(N * P), 0);
  twist_ = before_ = log_weight_;
  parent_.resize(log_weight_.size());
  share_.resize(std::size_t(P));
  sums_ = p.context.per_sample(N * P);
  misfit_ = p.context.per_sample(N * P);
  uniform_sample_ = p.context.planar({N, 1, 1, 1});
  uniform_.resize(std::size_t(N));
  Tensor x = p.context.planar({N * P, p.image.C, p.image.H, p.image.W});
  p.noise.normal(x, Draw::initial, 0);
  return x;
}

Tensor Tds::weigh(Posterior& p, double r2) {
  Context& context = p.context;
  const double sigma = std::max(likelihood_->noise().sigma, 1e-3), s2 = sigma * sigma;
  const Tensor residual = likelihood_->residual(at_->x0);
  sum_squares(context.queue, misfit_, residual);
  Tensor w;
  if (LinearOperator* const op = likelihood_->linear()) {
    w = dual_solve(context, *op, residual, at_->x.shape(), r2, s2);
  } else {
    w = context.planar(residual.shape());
    axpby(context.queue, w, float(1 / (r2 + s2)), residual, 0.f, residual);
  }
  dot(context.queue, sums_, residual, w);
  std::swap(before_, twist_);
  to_host(context.queue, twist_, sums_);
  for (double& value : twist_) value *= -0.5;
  for (std::size_t n = 0; n < twist_.size(); ++n) log_weight_[n] += twist_[n] - before_[n];
  return w;
}

double Tds::shares(std::size_t sample) {
  const auto first = log_weight_.begin() + std::ptrdiff_t(sample * share_.size());
  const double largest = *std::max_element(first, first + std::ptrdiff_t(share_.size()));
  double sum = 0, squares = 0;
  for (std::size_t k = 0; k < share_.size(); ++k)
    sum += share_[k] = std::exp(first[std::ptrdiff_t(k)] - largest);
  for (double& share : share_) share /= sum, squares += share * share;
  return 1 / squares;
}

void Tds::draw_uniform(Posterior& p, int executed) {
  p.noise.uniform(uniform_sample_, executed, 0);
  copy_to_host(p.context.queue, uniform_.data(), uniform_sample_.data(), uniform_.size() * sizeof(float));
}

bool Tds::resample(Posterior& p, int executed) {
  const std::size_t P = share_.size();
  draw_uniform(p, executed);
  bool any = false;
  for (std::size_t sample = 0; sample < uniform_.size(); ++sample) {
    const std::size_t first = sample * P;
    const bool keep = shares(sample) >= 0.5 * double(P);
    any = any || !keep;
    double sum = share_[0];
    for (std::size_t k = 0, j = 0; k < P; ++k) {
      while (sum < (uniform_[sample] + double(k)) / double(P) && j + 1 < P) sum += share_[++j];
      parent_[first + k] = int(first + (keep ? k : j));
    }
    if (keep) continue;
    std::copy_n(twist_.begin() + std::ptrdiff_t(first), P, share_.begin());
    for (std::size_t k = 0; k < P; ++k) {
      twist_[first + k] = share_[std::size_t(parent_[first + k]) - first];
      log_weight_[first + k] = 0;
    }
  }
  return any;
}

Tensor Tds::gathered(Posterior& p, const Tensor& x) const {
  Tensor y = p.context.planar(x.shape());
  for (std::size_t n = 0; n < parent_.size(); ++n)
    copy(p.context.queue, y.view().sample(int(n)), x.view().sample(parent_[n]));
  return y;
}

Tensor Tds::drawn(Posterior& p, const Tensor& x, int executed) {
  draw_uniform(p, executed);
  Tensor result = p.context.planar(p.image);
  for (std::size_t sample = 0; sample < uniform_.size(); ++sample) {
    shares(sample);
    std::size_t j = 0;
    for (double sum = share_[0]; sum < uniform_[sample] && j + 1 < share_.size();) sum += share_[++j];
    copy(p.context.queue, result.view().sample(int(sample)),
         x.view().sample(int(sample * share_.size() + j)));
  }
  return result;
}

Tensor Tds::step(Posterior& p, Tensor x, int executed) {
  require(at_.has_value(), "TDS: a step before the start");
  Queue& q = p.context.queue;
  Evaluation& at = *at_;
  const std::size_t index = std::size_t(p.schedule.steps() - 1 - executed);
  at.x = std::move(x);
  at.level = p.schedule.level(int(index));
  at.evaluate(p.prior, 0, index > 0);
  const Tensor w = weigh(p, index > 0 ? (1 - at.alphas_cumprod()) / at.alphas_cumprod() : 0);
  if (index == 0) return drawn(p, at.x0, executed);
  Tensor g = at.pull_back(likelihood_->pull_back(w));
  const double v = p.schedule.posterior_variance[index], deviation = std::sqrt(v);
  Tensor next = p.context.planar(at.x.shape()), z = p.context.planar(at.x.shape());
  axpbypcz(q, next, float(p.schedule.posterior_mean_coef1[index]), at.x0,
           float(p.schedule.posterior_mean_coef2[index]), at.x, float(v), g);
  if (resample(p, executed)) {
    next = gathered(p, next);
    g = gathered(p, g);
  }
  p.noise.normal(z, Draw::step, executed);
  axpby(q, next, 1.f, next, float(deviation), z);
  // log p(x_s | x_t) / q(x_s | x_t, y) = -v |g|^2 / 2 - sqrt(v) g . z
  axpby(q, z, float(deviation), z, float(v / 2), g);
  dot(q, sums_, g, z);
  to_host(q, squares_, sums_);
  for (std::size_t n = 0; n < squares_.size(); ++n) log_weight_[n] -= squares_[n];
  return next;
}

namespace {

constexpr Setting settings[] = {
    Setting::whole("particles", 16, 1, 100000, "of each sample, side by side in a batch")};
constexpr const Need* noise_needs[] = {&needs::gaussian};

}  // namespace

const SolverKind tds_kind{
    "tds",
    "twisted diffusion: weighted particles, exact as their number grows; any operator; 100 steps",
    noise_needs,
    settings,
    [](const Settings& s, Posterior&) -> std::unique_ptr<Solver> {
      return std::make_unique<Tds>(TdsOptions{s.integer("particles")});
    },
    100,
    Spacing::quadratic};

}  // namespace tweedie
