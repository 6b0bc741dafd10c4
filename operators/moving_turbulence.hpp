// Turbulence whose displacements move while its image is found.
#pragma once

#include <memory>

#include "operators/moving_blur.hpp"
#include "operators/warp.hpp"

namespace tweedie {

/// A(x) = k * warp(x, phi), the blur's edges joined, as `Turbulence` has it for odd kernels; kernel and
/// displacements are known. Linear in x.
class MovingTurbulence : public LinearOperator {
 public:
  /// Images (1, C, H, W) of `image`'s H and W, tilt (1, 2, H, W). Errors: those of `MovingBlur::set`.
  MovingTurbulence(Context& context, const Shape& image, const Tensor& kernel, Tensor tilt);
  const Tensor& tilt() const { return tilt_; }
  void set_tilt(Tensor tilt);
  Shape output_shape(const Shape& x) const override;
  Tensor apply(const Tensor& x) override;
  Tensor adjoint(const Tensor& y, const Shape& image) override;
  /// (dA(x) / dphi)^T dy, alike the tilt.
  Tensor tilt_gradient(const Tensor& x, const Tensor& dy);
  /// By conjugate gradients down to 1e-4, for displacements that move are a guess. What the blur alone has in
  /// closed form is near the inverse, and saves most of the iterations.
  Tensor own_dual_solve(const Tensor& v, const Shape& image, double r2, double s2) override;

 private:
  Context& context_;
  Warp warp_;
  MovingBlur blur_;
  std::unique_ptr<Saved> saved_, at_image_;  ///< of warps of 0, and of an image
  Tensor tilt_;
  Shape image_;  ///< of `saved_`
};

}  // namespace tweedie
