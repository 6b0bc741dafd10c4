#include "engine/projection.hpp"

#include <cmath>

#include "kernels/elementwise.hpp"

namespace tweedie {

ProjectionGuidance::ProjectionGuidance(Context& context, std::string name, Likelihood& likelihood, Lift lift,
                                       int factor)
    : MeasurementGuidance(context, likelihood), name_(std::move(name)), lift_(lift), factor_(factor) {
  require(likelihood_.linear(), "guidance ", name_,
          ": the operator is not linear, so an image has no measured part to replace; use dps");
  require(lift != Lift::pseudo_inverse || likelihood_.linear()->has_pseudo_inverse(), "guidance ", name_,
          ": this operator has no pseudo-inverse here (that of a blur or of line integrals would amplify "
          "noise without bound); use dps");
}

int ProjectionGuidance::factor(const Shape& measured, const Shape& image) const {
  if (factor_ > 0) return factor_;
  const int f = measured.H > 0 ? image.H / measured.H : 0;
  require(measured.C == image.C && f > 0 && f * measured.H == image.H && f * measured.W == image.W,
          "guidance ", name_, ": a measurement ", measured, " of images ", image,
          "; expected a picture reduced by a whole factor");
  return f;
}

Tensor ProjectionGuidance::renoised(Step& step, const Shape& measured) {
  const Tensor& y = likelihood_.y(measured);
  const bool compat = lift_ == Lift::nearest;
  const double bar = compat ? step.alphas_cumprod() : step.next_alphas_cumprod();
  Tensor n = context_.planar(compat ? measured : step.x.shape());
  step.noise.measurement(n, step.executed);
  const Tensor measured_noise = compat ? n : likelihood_.op().forward(n);
  Tensor noisy = context_.planar(measured);
  axpby(context_.queue, noisy, float(std::sqrt(bar)), y, float(std::sqrt(1 - bar)), measured_noise);
  return noisy;
}

Tensor ProjectionGuidance::lifted(const Tensor& difference, const Shape& image) {
  if (lift_ == Lift::pseudo_inverse) return likelihood_.linear()->pseudo_inverse(difference, image);
  const int f = factor(difference.shape(), image);
  if (lift_ == Lift::low_pass && f == 1) return likelihood_.linear()->adjoint(difference, image);
  require(f > 1, "guidance ", name_,
          ": the published projection repeats the pixels of a reduced image; this operator reduces nothing: "
          "run it without compat");
  if (!enlargement_)
    enlargement_ = std::make_unique<Enlargement>(
        context_, lift_ == Lift::nearest ? Interpolation::nearest : Interpolation::cubic, f);
  return enlargement_->apply(difference, image);
}

Tensor ProjectionGuidance::replace(Step& step, Tensor next) {
  Queue& q = context_.queue;
  Tensor difference = likelihood_.op().forward(next);
  const Tensor y = renoised(step, difference.shape());
  axpby(q, difference, 1.f, y, -1.f, difference);
  add(q, next, next, lifted(difference, next.shape()));
  return next;
}

Tensor ProjectionGuidance::apply(Step& step, Tensor next) {
  likelihood_.misfit(distance_squared_, step.x0);
  return replace(step, std::move(next));
}

}  // namespace tweedie
