#include "engine/projection.hpp"

#include <cmath>

#include "kernels/elementwise.hpp"

namespace tweedie {

ProjectionGuidance::ProjectionGuidance(Context& context, std::string name, ForwardOperator& op, Tensor y,
                                       Lift lift, int factor)
    : MeasurementGuidance(context, op, std::move(y)),
      name_(std::move(name)),
      linear_(as_linear(op)),
      lift_(lift),
      factor_(factor) {
  require(linear_, "guidance ", name_,
          ": the operator is not linear, so an image has no measured part to replace; use dps");
  require(lift != Lift::pseudo_inverse || linear_->has_pseudo_inverse(), "guidance ", name_,
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
  const Tensor& y = measurement(measured);
  const bool compat = lift_ == Lift::nearest;
  const double bar = compat ? step.alphas_cumprod() : step.next_alphas_cumprod();
  Tensor n = context_.planar(compat ? measured : step.x.shape());
  step.noise.measurement(n, step.executed);
  const Tensor measured_noise = compat ? n : operator_.forward(n);
  Tensor noisy = context_.planar(measured);
  axpby(context_.queue, noisy, float(std::sqrt(bar)), y, float(std::sqrt(1 - bar)), measured_noise);
  return noisy;
}

Tensor ProjectionGuidance::lifted(const Tensor& difference, const Shape& image) {
  if (lift_ == Lift::pseudo_inverse) return linear_->pseudo_inverse(difference, image);
  const int f = factor(difference.shape(), image);
  if (lift_ == Lift::low_pass && f == 1) return linear_->adjoint(difference, image);
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
  Tensor difference = operator_.forward(next);
  const Tensor y = renoised(step, difference.shape());
  axpby(q, difference, 1.f, y, -1.f, difference);
  add(q, next, next, lifted(difference, next.shape()));
  return next;
}

Tensor ProjectionGuidance::apply(Step& step, Tensor next) {
  Tensor residual = operator_.forward(step.x0);
  axpby(context_.queue, residual, 1.f, measurement(residual.shape()), -1.f, residual);
  keep_distance(residual);
  return replace(step, std::move(next));
}

}  // namespace tweedie
