// Guidance that replaces the measured part of the state.
#pragma once

#include "engine/enlargement.hpp"
#include "engine/guidance.hpp"

namespace tweedie {

/// How a difference of measurements goes back to an image: by A^+; as a low-pass image; by repeating pixels.
enum class Lift { pseudo_inverse, low_pass, nearest };

/// Every step the state's own measurement gives way to the recorded one, brought to the state's noise level:
///   x_{t-1} <- x' + B (y_{t-1} - A x') ,  y_t = sqrt(abar_t) y + sqrt(1 - abar_t) A n , n standard normal,
/// so that y_t is distributed as the measurement of a noisy image is; the last step replaces by y itself.
/// - B = A^+: projection onto the images of that measurement (Song et al., ICLR 2022, with
///   their lambda = 1). Errors: an operator that is not linear or has no pseudo-inverse.
/// - low-pass (Choi et al., ILVR, ICCV 2021, x' + phi(y) - phi(x')): where A reduces the image, phi =
///   U A with U the cubic enlargement, as published; where A keeps its size, B = A^T, phi = A^T A (a blur's
///   twice over, an inpainting mask). Errors: an operator that is not linear or does not measure an image.
/// - nearest: the DPS repository's projection for super-resolution, to reproduce it: B repeats pixels, and
///   y_t = sqrt(abar_t) y + sqrt(1 - abar_t) n has the noise level of x_t, not of x_{t-1}, and noise in the
///   measurement's pixels. Errors: an operator that does not reduce the image by a whole factor.
/// The misfit is |y - A x0_hat|.
class ProjectionGuidance : public MeasurementGuidance {
 public:
  /// name: of the method, for messages; factor: image pixels along a measured one, 0: the ratio of shapes.
  ProjectionGuidance(Context& context, std::string name, Likelihood& likelihood, Lift lift, int factor = 0);
  bool needs_gradient() const override { return false; }
  Tensor apply(Step& step, Tensor next) override;
  /// The replacement alone, without the misfit.
  Tensor replace(Step& step, Tensor next);

 private:
  Tensor renoised(Step& step, const Shape& measured);
  Tensor lifted(const Tensor& difference, const Shape& image);
  int factor(const Shape& measured, const Shape& image) const;

  std::string name_;
  Lift lift_;
  int factor_;
  std::unique_ptr<Enlargement> enlargement_;
};

/// Manifold constrained gradients (Chung et al., NeurIPS 2022): a gradient step, then the projection.
class McgGuidance : public Guidance {
 public:
  McgGuidance(std::unique_ptr<Guidance> gradient, std::unique_ptr<ProjectionGuidance> projection)
      : gradient_(std::move(gradient)), projection_(std::move(projection)) {}
  bool needs_gradient() const override { return gradient_->needs_gradient(); }
  Tensor apply(Step& step, Tensor next) override {
    return projection_->replace(step, gradient_->apply(step, std::move(next)));
  }
  const TensorOf<double>& distance_squared() const override { return gradient_->distance_squared(); }

 private:
  std::unique_ptr<Guidance> gradient_;
  std::unique_ptr<ProjectionGuidance> projection_;
};

}  // namespace tweedie
