// The twisted diffusion sampler (Wu et al., NeurIPS 2023): particles with weights, exact as their number
// grows.
#pragma once

#include <optional>
#include <vector>

#include "engine/solvers/solver.hpp"

namespace tweedie {

struct TdsOptions {
  int particles = 16;  ///< P, for each sample
};

/// Sequential Monte Carlo whose target after the last step is p(x_0) p(y | x_0), p(x_0) being what the
/// unguided ancestral sampler of these steps draws. What it says of y at x_t is the twist
///   p~(y | x_t) = N(y; A x0, r2 A A^T + sy^2) ,  r2 = (1 - abar_t) / abar_t ,
/// (a smaller r2, as of images of a bounded deviation, overshoots where images vary more than that: a
/// photograph's mean) and at the last level, from which x0 follows without noise, r2 = 0: the likelihood
/// itself. (Of an operator that is not linear the covariance is r2 + sy^2.) A particle moves by the ancestral
/// step towards y,
///   x_s ~ N(mu(x_t, x0) + v g, v) ,  g = grad_{x_t} log p~(y | x_t) ,
/// v the posterior variance of the step (fixed_small), and its weight takes what that changed,
///   w <- w p(x_s | x_t) p~(y | x_s) / (q(x_s | x_t, y) p~(y | x_t)) .
/// Where the effective number of particles of a sample falls below P / 2, they are drawn anew by their
/// weights (systematic resampling). The result is one particle, drawn by the last weights, so that samples of
/// a batch are independent; its law is off by a share of about 1 / P. Estimates are not clipped. Without
/// noise, sy is taken for 1e-3.
///   The state holds P particles for each sample, side by side; the last one, the result, alike the image.
class Tds : public Solver {
 public:
  explicit Tds(const TdsOptions& options) : options_(options) {}
  Tensor start(Posterior& p) override;
  Tensor step(Posterior& p, Tensor x, int executed) override;
  /// Of every particle.
  const Tensor& estimate() const override { return at_->x0; }
  const TensorOf<double>& misfit_squared() const override { return misfit_; }

 private:
  /// The covariance's inverse times the residual at the evaluation, and log p~ of each particle to `twist_`.
  Tensor weigh(Posterior& p, double r2);
  /// Of each sample's particles, those that take their places; true where any changed place.
  bool resample(Posterior& p, int executed);
  Tensor gathered(Posterior& p, const Tensor& x) const;
  Tensor drawn(Posterior& p, const Tensor& x, int executed);
  /// A uniform number for each sample, to `uniform_`.
  void draw_uniform(Posterior& p, int executed);
  /// The weights of a sample's particles, which sum to 1, to `share_`; returns the effective number.
  double shares(std::size_t sample);

  TdsOptions options_;
  std::optional<Evaluation> at_;
  std::optional<Likelihood> repeated_;  ///< where each sample has a measurement of its own
  Likelihood* likelihood_ = nullptr;
  TensorOf<double> misfit_, sums_;
  Tensor uniform_sample_;
  std::vector<double> log_weight_, twist_, before_, squares_, share_;  ///< of particles, on the host
  std::vector<float> uniform_;
  std::vector<int> parent_;
};

extern const SolverKind tds_kind;

}  // namespace tweedie
