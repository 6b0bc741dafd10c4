// Guidance: how a measurement steers a sampler. Here: by gradients of the misfit, and by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/forward_operator.hpp"
#include "engine/sampler.hpp"

namespace tweedie {

/// What every guidance by a measurement holds: operator, measurement, misfit of the last step.
class MeasurementGuidance : public Guidance {
 public:
  const TensorOf<double>& distance_squared() const override { return distance_squared_; }

 protected:
  /// y: the measurement, (N, ...) or (1, ...) of the operator's output shape; one is shared by all samples.
  /// The operator outlives this.
  MeasurementGuidance(Context& context, ForwardOperator& op, Tensor y);
  /// The measurement for a batch whose measurements have this shape. Errors: another shape than y's.
  const Tensor& measurement(const Shape& measured);
  /// Writes |residual|^2 of each sample to the misfit.
  void keep_distance(const Tensor& residual);
  /// y - A x, ready for one `operator_.backward(.., *measured_)`.
  Tensor residual_at(const Tensor& x);

  Context& context_;
  ForwardOperator& operator_;
  TensorOf<double> distance_squared_;
  std::unique_ptr<Saved> measured_;  ///< of the operator's last forward

 private:
  Tensor y_, repeated_;
};

/// Diffusion posterior sampling (Chung et al., ICLR 2023, Algorithm 1 in the form of their experiments):
///   x <- x' - zeta grad_{x_t} |y - A(x0_hat(x_t))| ,
/// the norm taken for each sample of the batch, not its square; its gradient is 0 where the norm is 0.
class DpsGuidance : public MeasurementGuidance {
 public:
  DpsGuidance(Context& context, ForwardOperator& op, Tensor y, double zeta)
      : MeasurementGuidance(context, op, std::move(y)), zeta_(zeta) {}
  bool needs_gradient() const override { return true; }
  Tensor apply(Step& step, Tensor next) override;

 private:
  double zeta_;
};

/// The naive gradient, which takes x_t for the image: x <- x' - zeta grad_{x_t} |y - A x_t|. It needs no
/// gradient of the network, and fails: x_t is an image plus noise, scaled, and its measurement is not y's.
class NoisyGradientGuidance : public MeasurementGuidance {
 public:
  NoisyGradientGuidance(Context& context, ForwardOperator& op, Tensor y, double zeta)
      : MeasurementGuidance(context, op, std::move(y)), zeta_(zeta) {}
  bool needs_gradient() const override { return false; }
  Tensor apply(Step& step, Tensor next) override;

 private:
  double zeta_;
};

/// DPS with the norm averaged over perturbed estimates ("ps+" of the DPS repository):
///   x <- x' - zeta grad_{x_t} mean_k |y - A(x0_hat + 0.05 u_k)| , u_k uniform in [0, 1), 5 of them a step.
/// The misfit is that mean.
class PerturbedGuidance : public MeasurementGuidance {
 public:
  PerturbedGuidance(Context& context, ForwardOperator& op, Tensor y, double zeta)
      : MeasurementGuidance(context, op, std::move(y)), zeta_(zeta) {}
  bool needs_gradient() const override { return true; }
  Tensor apply(Step& step, Tensor next) override;

  static constexpr int draws = 5;
  static constexpr float width = 0.05f;

 private:
  double zeta_;
  // Of each sample, on the host; kept, so that a step allocates nothing.
  std::vector<double> squared_, mean_;
};

/// A guidance by name, and what the named ones need.
struct GuidanceOptions {
  std::string method = "dps";  ///< one of `guidance_names()`, or "none"
  double scale = 1;            ///< zeta; not used by projection and ilvr
  /// As the DPS repository computes it, where that differs: the Poisson gradient
  /// (engine/guidance_poisson.hpp) and the projection of super-resolution (engine/projection.hpp).
  bool compat = false;
  /// Poisson noise: white is 255 rate photons. 0: the noise is not Poisson.
  double photon_rate = 0;
  /// Image pixels along one measured pixel, for ilvr and the compat projection; 0: the ratio of the shapes.
  int factor = 0;
};

/// dps, dps-poisson, mcg, projection, ilvr, noisy-gradient, ps+.
std::vector<std::string> guidance_names();

/// Guidance by name. Beside the names above: "ps", as the DPS repository calls it, is dps-poisson where the
/// noise is Poisson and dps elsewhere; mcg's gradient is chosen like that too; "vanilla" and "none" are null.
/// Errors: an unknown name; a combination that makes no sense, with the reason.
std::unique_ptr<Guidance> make_guidance(Context& context, const GuidanceOptions& options, ForwardOperator& op,
                                        Tensor y);

}  // namespace tweedie
