// Pseudo-inverse guidance (Song et al., ICLR 2023) and moment matching (Rozet et al., NeurIPS 2024).
#pragma once

#include <optional>

#include "engine/solvers/solver.hpp"

namespace tweedie {

/// What both share: the estimate x0 is corrected by the gradient of log p(y | x_t) under a Gaussian
/// approximation of p(x_0 | x_t), and DDIM goes on from there,
///   x_s = sqrt(abar_s) x0' + c2 eps' + c1 z ,  eps' = (x_t - sqrt(abar_t) x0') / sqrt(1 - abar_t) ,
///   c1 = eta sqrt((1 - abar_s) / (1 - abar_t) (1 - abar_t / abar_s)) ,  c2 = sqrt(1 - abar_s - c1^2) .
/// Neither has a step size to tune. Estimates are not clipped.
class MomentSolver : public Solver {
 public:
  explicit MomentSolver(double eta) : eta_(eta) {}
  Tensor start(Posterior& p) override;
  Tensor step(Posterior& p, Tensor x, int executed) override;
  const Tensor& estimate() const override { return at_->x0; }
  const TensorOf<double>& misfit_squared() const override { return misfit_; }

 protected:
  /// gamma J^T A^T (...)^-1 (y - A x0) at `at`, which has just been evaluated with gradient, gamma = (1 -
  /// abar) / sqrt(abar): what is added to x0. May evaluate `at` again at the same x.
  virtual Tensor correction(Posterior& p, Evaluation& at) = 0;

 private:
  double eta_;
  std::optional<Evaluation> at_;
  TensorOf<double> misfit_;
};

/// PiGDM: p(x_0 | x_t) is taken for N(x0, r2), r2 = 1 - abar (that of white data of variance 1):
///   correction = gamma J^T A^T (r2 A A^T + sy^2)^-1 (y - A x0).
class Pigdm : public MomentSolver {
 public:
  using MomentSolver::MomentSolver;

 protected:
  Tensor correction(Posterior& p, Evaluation& at) override;
};

/// PiGDM as RED-diff's repository has it, to reproduce it: the noise does not enter,
///   x_s = sqrt(abar_s) x0 + c2 eps + c1 z + weight sqrt(abar_s abar_t) J^T A^+ (y - A x0) ,
/// from x_T = sqrt(abar_T) A^+ y + sqrt(1 - abar_T) n.
class CompatPigdm : public Solver {
 public:
  CompatPigdm(double eta, double weight) : eta_(eta), weight_(weight) {}
  Tensor start(Posterior& p) override;
  Tensor step(Posterior& p, Tensor x, int executed) override;
  const Tensor& estimate() const override { return at_->x0; }
  const TensorOf<double>& misfit_squared() const override { return misfit_; }

 private:
  double eta_, weight_;
  std::optional<Evaluation> at_;
  TensorOf<double> misfit_;
};

/// MMPS: the covariance of p(x_0 | x_t) is gamma J, exactly, by Tweedie's formula of second order (J the
/// Jacobian of x0 in x_t, taken as symmetric):
///   correction = gamma J^T A^T w ,  (sy^2 + A gamma J^T A^T) w = y - A x0 ,
/// w by `iterations` of conjugate gradients, each of which evaluates the prior and its gradient once. Exact
/// for a Gaussian prior, given enough of them. Without noise, sy is taken for 1e-2.
class Mmps : public MomentSolver {
 public:
  Mmps(double eta, int iterations) : MomentSolver(eta), iterations_(iterations) {}

 protected:
  Tensor correction(Posterior& p, Evaluation& at) override;

 private:
  int iterations_;
};

extern const SolverKind pigdm_kind, mmps_kind;

}  // namespace tweedie
