// RePS (2025): restarted posterior sampling, the measurement by a proximal map in every step of a flow.
#pragma once

#include <optional>

#include "engine/solvers/solver.hpp"

namespace tweedie {

struct RepsOptions {
  int restarts = 100;         ///< flows after the first one
  int ode_steps = 10;         ///< evaluations of the prior in each flow
  double lambda = 1;          ///< how much the estimate counts against the measurement
  double sigma_restart = 10;  ///< noise level of the first restart; the last is at 0.1
};

/// In x = x_0 + sigma n, a flow from sigma towards 0 goes by Euler steps to an estimate that the measurement
/// has corrected,
///   x <- x + (sigma - sigma') / sigma (x' - x) ,  x' = argmin |y - A x|^2 + lambda |x - D(x, sigma)|^2 ,
/// D not clipped, at levels on a grid of power 7 from sigma to 0.01 and then 0. The first flow starts from
/// noise of 100; each restart adds noise to the end of the last flow, at levels on a grid of power 15 from
/// sigma_restart to 0.1. The proximal map is exact, where the published method takes a few steps of Adam; the
/// grid of a flow is ours. Its lambda is theirs, from 0.6 to 12 by the task; no gradient of the network. The
/// schedule given serves only to find timesteps.
class Reps : public Solver {
 public:
  explicit Reps(const RepsOptions& options) : options_(options) {}
  int steps(const Posterior&) const override { return options_.restarts + 1; }
  Tensor start(Posterior& p) override;
  /// A whole flow, and the noise of the next one.
  Tensor step(Posterior& p, Tensor x, int executed) override;
  const Tensor& estimate() const override { return at_->x0; }
  const TensorOf<double>& misfit_squared() const override { return misfit_; }

 private:
  double level(int executed) const;

  RepsOptions options_;
  std::optional<Evaluation> at_;
  TensorOf<double> misfit_;
};

extern const SolverKind reps_kind;

}  // namespace tweedie
