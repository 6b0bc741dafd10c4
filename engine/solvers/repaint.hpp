// RePaint (Lugmayr et al., CVPR 2022): the measured part replaced in every step, and jumps back in time.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "engine/projection.hpp"
#include "engine/solvers/solver.hpp"

namespace tweedie {

struct RepaintOptions {
  int travel_length = 10;  ///< steps of a jump back
  int travel_repeat = 10;  ///< passes over each of these stretches
};

/// Ancestral steps, after each of which the measured part of the state gives way to the re-noised measurement
/// (`ProjectionGuidance` by A^+; of a mask, the known pixels: their Eq. 8), and jumps back by single steps of
/// the forward process, x_t = sqrt(abar_t / abar_s) x_s + sqrt(1 - abar_t / abar_s) z, which let the rest of
/// the image adapt to it (their Algorithm 1; the times are `travel_steps`). The measurement is taken for
/// exact. The estimate is clipped to [-1, 1]. A step is one of either kind; the prior is evaluated in those
/// down.
class Repaint : public Solver {
 public:
  explicit Repaint(const RepaintOptions& options) : options_(options) {}
  int steps(const Posterior& p) const override;
  Tensor start(Posterior& p) override;
  Tensor step(Posterior& p, Tensor x, int executed) override;
  const Tensor& estimate() const override { return step_->x0; }
  const TensorOf<double>& misfit_squared() const override { return guidance_->distance_squared(); }

 private:
  RepaintOptions options_;
  SamplerOptions sampler_;
  std::vector<std::pair<int, int>> travel_;
  std::optional<ProjectionGuidance> guidance_;
  std::optional<Step> step_;
};

extern const SolverKind repaint_kind;

}  // namespace tweedie
