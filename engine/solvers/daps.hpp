// Decoupled annealing posterior sampling (Zhang et al., CVPR 2025).
#pragma once

#include <optional>

#include "engine/solvers/solver.hpp"

namespace tweedie {

struct DapsOptions {
  int levels = 200, ode_steps = 5, chain = 100;
  double sigma_max = 100, sigma_min = 0.1;
  double rate = 1e-4, rate_ratio = 0.01;  ///< of the chain, and what is left of it at the last level
  double tau = 0;  ///< noise that the chain supposes; 0: the measurement's, at least 0.01
  bool hamiltonian = false;
  double momentum = 0.9;
  /// As published: tau 0.01 unless stated, twice the gradient of the log likelihood, the network's timestep
  /// by the formula of the continuous linear schedule.
  bool compat = false;
};

/// The state is the image plus noise sigma_i (variance-exploding). At each level: an estimate x0 by Euler
/// steps on the probability flow down to sigma = 0.01; a Langevin (or Hamiltonian) chain from there on
///   |y - A x|^2 / (2 tau^2) + |x - x0|^2 / (2 sigma_i^2) ;
/// then noise of the next level. Levels are on a grid of power 7. The operator may be nonlinear; no gradient
/// of the network. `levels` times `ode_steps` evaluations of the prior; the schedule given serves only to
/// find timesteps.
class Daps : public Solver {
 public:
  explicit Daps(const DapsOptions& options) : options_(options) {}
  int steps(const Posterior&) const override { return options_.levels; }
  Tensor start(Posterior& p) override;
  Tensor step(Posterior& p, Tensor x, int executed) override;
  /// The end of the flow.
  const Tensor& estimate() const override { return x0_; }
  /// The end of the chain.
  const Tensor& chained() const { return chained_; }
  const TensorOf<double>& misfit_squared() const override { return misfit_; }

 private:
  Tensor denoised(Posterior& p, const Tensor& x, double sigma);
  Tensor flow(Posterior& p, Tensor x, double sigma);
  Tensor chain(Posterior& p, double sigma, int executed);

  DapsOptions options_;
  std::optional<Evaluation> at_;
  Tensor x0_, chained_;
  TensorOf<double> misfit_;
};

extern const SolverKind daps_kind;

}  // namespace tweedie
