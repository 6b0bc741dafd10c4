// Guidance for photon counts.
#pragma once

#include "engine/guidance.hpp"

namespace tweedie {

/// DPS for Poisson noise (Chung et al., ICLR 2023) in the form of a norm, as for Gaussian noise:
///   x <- x' - zeta grad_{x_t} sqrt(r' Lambda r) , Lambda = diag(1 / (2 max(y_j, 1))) ,
/// with the measurement y and the residual r = y - A(x0_hat) in photons: 127.5 rate (value + 1) for a value
/// in [-1, 1]. The variance of a count is its mean, which y_j estimates; where no photon was counted one is
/// assumed, since a weight of 1 / 0 would bind those pixels as if they were exact. The misfit is
/// sqrt(r' Lambda r), for each sample: about sqrt(m / 2) for m counts at the truth.
class PoissonGuidance : public MeasurementGuidance {
 public:
  /// Errors: a likelihood whose noise is not Poisson.
  PoissonGuidance(Context& context, Likelihood& likelihood, double zeta);
  bool needs_gradient() const override { return true; }
  Tensor apply(Step& step, Tensor next) override;

 private:
  double zeta_;
  Tensor weight_;  ///< square root of Lambda, for residuals in units of [-1, 1] images
};

/// The DPS repository's gradient for Poisson noise, to reproduce it:
///   x <- x' - zeta grad_{x_t} mean_j(|y - A(x0_hat)| / |y_j|) , y in [-1, 1],
/// the norm and the mean over the whole batch. It weighs all residuals alike, by the mean of 1/|y_j| (mid
/// grey has no weight at all: it is infinite), so it is ordinary DPS with another step size.
class CompatPoissonGuidance : public MeasurementGuidance {
 public:
  /// Errors: a measured value of exactly 0.
  CompatPoissonGuidance(Context& context, Likelihood& likelihood, double zeta);
  bool needs_gradient() const override { return true; }
  Tensor apply(Step& step, Tensor next) override;

 private:
  double zeta_, mean_weight_;
};

}  // namespace tweedie
