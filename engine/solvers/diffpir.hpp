// Denoising diffusion for plug-and-play image restoration (Zhu et al., CVPRW 2023).
#pragma once

#include <memory>
#include <optional>

#include "engine/enlargement.hpp"
#include "engine/solvers/solver.hpp"

namespace tweedie {

struct DiffPirOptions {
  double lambda = 7, zeta = 0.3, eta = 0;
  /// How the estimate is brought to the measurement: by the proximal map, or, of a reduced picture, by one
  /// step of 0.01 along the enlarged residual (their "cubic" mode).
  enum class DataStep { proximal, enlarged } data_step = DataStep::proximal;
  bool compat = false;  ///< as published: the last evaluation of the prior is thrown away
};

/// x0 (clipped) is replaced by x0' = argmin |y - A x|^2 + rho_t |x - x0|^2, rho_t = lambda sn^2 abar_t / (1 -
/// abar_t), sn = max(0.001, sigma / 2) the noise of [0, 1] images; then
///   eps' = (x_t - sqrt(abar_t) x0') / sqrt(1 - abar_t) ,  e = eta sqrt((1 - abar_s) / (1 - abar_t) beta) ,
///   x_s = sqrt(abar_s) x0' + sqrt(1 - zeta) (sqrt(1 - abar_s - e^2) eps' + e z_e) + sqrt(zeta (1 - abar_s))
///   z .
/// beta = 1 - abar_t / abar_s, as DDIM has it (the published code takes the beta of the trained schedule).
/// The last step's result is x0'. No gradient of the network.
class DiffPir : public Solver {
 public:
  explicit DiffPir(const DiffPirOptions& options) : options_(options) {}
  Tensor start(Posterior& p) override;
  Tensor step(Posterior& p, Tensor x, int executed) override;
  const Tensor& estimate() const override { return at_->x0; }
  /// x0' of the last step.
  const Tensor& corrected() const { return corrected_; }
  const TensorOf<double>& misfit_squared() const override { return misfit_; }

 private:
  void correct(Posterior& p, double rho);

  DiffPirOptions options_;
  std::optional<Evaluation> at_;
  Tensor corrected_;
  std::unique_ptr<Enlargement> enlargement_;
  TensorOf<double> misfit_;
};

extern const SolverKind diffpir_kind;

}  // namespace tweedie
