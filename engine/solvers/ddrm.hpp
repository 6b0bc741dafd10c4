// Denoising diffusion restoration models (Kawar et al., NeurIPS 2022).
#pragma once

#include <optional>

#include "engine/solvers/solver.hpp"
#include "engine/solvers/spectral_sum.hpp"

namespace tweedie {

struct DdrmOptions {
  double eta = 0.85, etab = 1;
  bool compat = false;  ///< without noise the last step keeps the prior's estimate, as in the published code
};

/// In the basis V of the operator's singular vectors, A = U S V^T, every component is sampled by itself
/// (their Eq. 7 and 8, in the form of their code: eta for what is missing and for what the measurement knows
/// worse than the state). With sigma_s the noise level of the next state, sigma_s^2 = (1 - abar_s) / abar_s,
/// sy the measurement's noise, ybar = S^-1 U^T y, x0 the prior's estimate (not clipped), eps its noise, z
/// normal:
///   no singular value:    x0 + sqrt(1 - eta^2) sigma_s eps + eta sigma_s z
///   sigma_s s < sy:       x0 + sqrt(1 - eta^2) sigma_s (U^T y - s x0) / sy + eta sigma_s z
///   sigma_s s > sy:       (1 - etab) x0 + etab ybar + sqrt(sigma_s^2 - etab^2 sy^2 / s^2) z
///   sigma_s = 0, sy = 0:  ybar (compat: x0)
/// and x_s = sqrt(abar_s) V(that). One evaluation of the prior a step, no gradient. Needs the singular
/// values.
class Ddrm : public Solver {
 public:
  explicit Ddrm(const DdrmOptions& options) : options_(options) {}
  Tensor start(Posterior& p) override;
  Tensor step(Posterior& p, Tensor x, int executed) override;
  const Tensor& estimate() const override { return at_->x0; }
  const TensorOf<double>& misfit_squared() const override { return misfit_; }

 private:
  void prepare(Posterior& p);

  DdrmOptions options_;
  std::optional<Evaluation> at_;
  std::optional<SpectralSum> start_, sum_;
  Tensor Uty_;  ///< coefficients of y, for every sample
  TensorOf<double> misfit_;
};

extern const SolverKind ddrm_kind;

}  // namespace tweedie
