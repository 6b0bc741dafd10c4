// SITCOM: the network's own input moves until its estimate explains the measurement (Alkhouri et al., ICML
// 2025).
#pragma once

#include <optional>

#include "engine/solvers/solver.hpp"

namespace tweedie {

struct SitcomOptions {
  int iterations = 20;      ///< of Adam, at most, at each noise level
  double rate = 0.01;       ///< of Adam
  double tolerance = 1e-3;  ///< a sample is done once |y - A x0| <= (noise + tolerance) sqrt(values measured)
};

/// At each noise level Adam (betas 0.9 and 0.999, begun anew) moves v from x_t downhill in
///   |y - A x0_hat(v)|^2 , x0_hat clipped to [-1, 1],
/// through the network, and no further than the noise explains; then x_s = sqrt(abar_s) x0_hat(v) +
/// sqrt(1 - abar_s) z. The published code keeps the step whose image is nearest to the truth, which nobody
/// has: here it is the last one.
class Sitcom : public Solver {
 public:
  explicit Sitcom(const SitcomOptions& options) : options_(options) {}
  Tensor start(Posterior& p) override;
  Tensor step(Posterior& p, Tensor x, int executed) override;
  const Tensor& estimate() const override { return at_->x0; }
  const TensorOf<double>& misfit_squared() const override { return misfit_; }

 private:
  /// Looks at x0_hat where v has come to: marks in `done` what is explained. Whether any sample is not.
  bool unexplained(Posterior& p, Tensor& residual, Scalars& done);

  SitcomOptions options_;
  std::optional<Evaluation> at_;
  Tensor m_, v_;  ///< Adam's averages
  TensorOf<double> misfit_;
  TensorOf<double> measured_;  ///< how many values of each sample are measured at all
};

extern const SolverKind sitcom_kind;

}  // namespace tweedie
