// Guidance: how a measurement steers a sampler. Here: by gradients of the misfit, and by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/likelihood.hpp"
#include "engine/sampler.hpp"

namespace tweedie {

/// What every guidance by a measurement holds: the likelihood, and the misfit of the last step.
class MeasurementGuidance : public Guidance {
 public:
  const TensorOf<double>& distance_squared() const override { return distance_squared_; }
  /// From now on no step of a gradient goes further than to where the misfit, were it linear, would be 0: the
  /// step size of Polyak (1969) for a least value of 0, d / |grad d|^2 for the misfit d. At the noisiest
  /// steps, where the gradient is some hundred times as long as at the last, a constant step size overshoots.
  /// Noise that a sampler adds repairs that; a deterministic one keeps what overshot where nothing is
  /// measured.
  void limit_steps() { limited_ = true; }
  /// From now on steps need no size: each goes to where the misfit, were it linear, would be what the noise
  /// makes of it, e = deviation sqrt(m) for m measured values, as far as the step depends on the estimate:
  ///   zeta_t = k max(d - e, 0) / |grad d|^2 ,  k = sqrt(abar_s) - sqrt(1 - abar_s) sqrt(abar_t / (1 -
  ///   abar_t)) ,
  /// k being the estimate's share in the next state by DDIM (1 where a sampler stays at its level). The
  /// shares of a run make up for their number, so that many steps or few end alike: respacing needs no
  /// tuning. Ours, after Polyak (1969), whose step this is for a least value of e. `deviation`: of the
  /// misfit's noise.
  void adapt_steps(double deviation);

 protected:
  MeasurementGuidance(Context& context, Likelihood& likelihood)
      : context_(context),
        likelihood_(likelihood),
        distance_squared_(context.per_sample(likelihood.y().shape().N)) {}
  /// Writes |residual|^2 of each sample to the misfit.
  void keep_distance(const Tensor& residual);
  /// next <- next - zeta gradient, for each sample; `gradient`, of the kept misfit, is overwritten where
  /// steps are limited or adapted.
  void descend(Tensor& next, const Step& step, double zeta, Tensor gradient);

  Context& context_;
  Likelihood& likelihood_;
  TensorOf<double> distance_squared_;

 private:
  /// Misfit and |gradient| squared to `squared_` and `lengths_`.
  void measure(const Tensor& gradient);

  bool limited_ = false, adapted_ = false;
  double expected_ = 0;  ///< e
  TensorOf<double> gradient_squared_;
  std::vector<double> squared_, lengths_;  // on the host; kept, so that a step allocates nothing
};

/// Diffusion posterior sampling (Chung et al., ICLR 2023, Algorithm 1 in the form of their experiments):
///   x <- x' - zeta grad_{x_t} |y - A(x0_hat(x_t))| ,
/// the norm taken for each sample of the batch, not its square; its gradient is 0 where the norm is 0.
class DpsGuidance : public MeasurementGuidance {
 public:
  DpsGuidance(Context& context, Likelihood& likelihood, double zeta)
      : MeasurementGuidance(context, likelihood), zeta_(zeta) {}
  bool needs_gradient() const override { return true; }
  Tensor apply(Step& step, Tensor next) override;

 private:
  double zeta_;
};

/// The naive gradient, which takes x_t for the image: x <- x' - zeta grad_{x_t} |y - A x_t|. It needs no
/// gradient of the network, and fails: x_t is an image plus noise, scaled, and its measurement is not y's.
class NoisyGradientGuidance : public MeasurementGuidance {
 public:
  NoisyGradientGuidance(Context& context, Likelihood& likelihood, double zeta)
      : MeasurementGuidance(context, likelihood), zeta_(zeta) {}
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
  PerturbedGuidance(Context& context, Likelihood& likelihood, double zeta)
      : MeasurementGuidance(context, likelihood), zeta_(zeta) {}
  bool needs_gradient() const override { return true; }
  Tensor apply(Step& step, Tensor next) override;

  static constexpr int draws = 5;
  static constexpr float width = 0.05f;

 private:
  double zeta_;
  // Of each sample, on the host; kept, so that a step allocates nothing.
  std::vector<double> squared_, mean_;
};

}  // namespace tweedie
