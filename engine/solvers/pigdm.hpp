// Pseudo-inverse guidance (Song et al., ICLR 2023) and moment matching (Rozet et al., NeurIPS 2024).
#pragma once

#include <optional>

#include "engine/solvers/solver.hpp"

namespace tweedie {

/// PiGDM: p(x_0 | x_t) is taken for N(x0, r2), r2 = 1 - abar, that of white data of variance 1:
///   x_s = sqrt(abar_s) (x0 + sqrt(abar_t) g) + c1 z + c2 eps ,  g = r2 J^T A^T (r2 A A^T + sy^2)^-1 (y - A
///   x0) ,
/// J the Jacobian of x0 in x_t, c1 = eta sqrt((1 - abar_s) / (1 - abar_t) (1 - abar_t / abar_s)), c2 = sqrt(1
/// - abar_s - c1^2) (DDIM). The weight is theirs: that of the score, sqrt(abar) (1 - abar) / abar for r2's J,
/// would overshoot 1 / abar times in modes that vary more than noise does. Estimates are not clipped; no step
/// size.
///   compat, as RED-diff's repository has it: the noise does not enter, g = weight J^T A^+ (y - A x0), and
///   the start is sqrt(abar_T) A^+ y + sqrt(1 - abar_T) n.
class Pigdm : public Solver {
 public:
  Pigdm(double eta, double weight, bool compat) : eta_(eta), weight_(weight), compat_(compat) {}
  Tensor start(Posterior& p) override;
  Tensor step(Posterior& p, Tensor x, int executed) override;
  const Tensor& estimate() const override { return at_->x0; }
  const TensorOf<double>& misfit_squared() const override { return misfit_; }

 private:
  double eta_, weight_;
  bool compat_;
  std::optional<Evaluation> at_;
  TensorOf<double> misfit_;
};

/// MMPS: the covariance of p(x_0 | x_t) is gamma J, gamma = (1 - abar) / sqrt(abar), by Tweedie's formula of
/// second order (J is taken as symmetric). The estimate is corrected by the gradient of log p(y | x_t),
///   x0' = x0 + gamma J^T A^T w ,  (sy^2 + A gamma J^T A^T) w = y - A x0 ,
/// w by `iterations` of conjugate gradients, each of which evaluates the prior and its gradient once, and
/// DDIM goes on from x0' and the noise it leaves in x_t. Exact for a Gaussian prior, given enough of them (a
/// test holds it to that). Without noise, sy is taken for 1e-2. Estimates are not clipped; no step size.
class Mmps : public Solver {
 public:
  Mmps(double eta, int iterations) : eta_(eta), iterations_(iterations) {}
  Tensor start(Posterior& p) override;
  Tensor step(Posterior& p, Tensor x, int executed) override;
  const Tensor& estimate() const override { return at_->x0; }
  const TensorOf<double>& misfit_squared() const override { return misfit_; }

 private:
  /// gamma J^T A^T w at `at`, which has just been evaluated with gradient.
  Tensor correction(Posterior& p, Evaluation& at) const;

  double eta_;
  int iterations_;
  std::optional<Evaluation> at_;
  TensorOf<double> misfit_;
};

extern const SolverKind pigdm_kind, mmps_kind;

}  // namespace tweedie
