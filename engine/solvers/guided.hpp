// Guided sampling: DPS and its kin, an integrator of the reverse process with a guidance in each step.
#pragma once

#include "engine/guidance.hpp"
#include "engine/solvers/solver.hpp"

namespace tweedie {

/// x_T ~ N(0, 1), then `sample_step` at every level with the guidance that the row names.
class GuidedSolver : public Solver {
 public:
  /// guidance null: the prior alone.
  GuidedSolver(const SamplerOptions& options, std::unique_ptr<Guidance> guidance)
      : options_(options), guidance_(std::move(guidance)) {}
  Tensor start(Posterior& p) override;
  Tensor step(Posterior& p, Tensor x, int executed) override;
  const Tensor& estimate() const override { return step_->x0; }
  const TensorOf<double>& misfit_squared() const override {
    return guidance_ ? guidance_->distance_squared() : none_;
  }

 private:
  SamplerOptions options_;
  std::unique_ptr<Guidance> guidance_;
  std::optional<Step> step_;
  TensorOf<double> none_;
};

/// The guidance of one of the rows below by itself, for a caller that takes the steps. Errors: another row.
std::unique_ptr<Guidance> guidance_of(const SolverKind& kind, const Settings& settings, Context& context,
                                      Likelihood& likelihood);

extern const SolverKind dps_kind, perturbed_kind, noisy_gradient_kind, mcg_kind, projection_kind, ilvr_kind;

}  // namespace tweedie
