// A circular blur whose kernel moves while its image is found.
#pragma once

#include <complex>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "operators/separable.hpp"

namespace tweedie {

/// Images of one size (N, C, H, W), every channel circularly correlated with a kernel (1, 1, kh, kw),
///   y[h, w] = sum_ij k[i, j] x[h + i - (kh-1)/2, w + j - (kw-1)/2] , indices modulo H and W,
/// as `CircularBlur` does where kernels are odd. A new kernel costs one transform, all of it on the device;
/// nothing is allocated if the last one had its size. A is diagonal in the frequencies: dual solutions are
/// quotients there.
class MovingBlur : public LinearOperator {
 public:
  /// Of `image`, H and W count. Its kernel is 0 until one is set.
  MovingBlur(Context& context, const Shape& image);
  /// Errors: a kernel of several channels or samples, or larger than the image.
  void set(const Tensor& kernel);
  /// Errors: images of another size.
  Shape output_shape(const Shape& image) const override;
  Tensor apply(const Tensor& x) override { return filtered(x, true); }
  Tensor adjoint(const Tensor& y, const Shape& image) override;
  Tensor own_dual_solve(const Tensor& v, const Shape& image, double r2, double s2) override;

 private:
  using Spectrum = TensorOf<std::complex<float>>;
  Tensor filtered(const Tensor& x, bool conjugate);
  Tensor multiplied(const Tensor& x, const Spectrum& by, bool conjugate);

  Context& context_;
  int H_, W_;
  SeparableOperator wrapped_;  // a kernel about pixel 0 of a plane
  Spectrum response_, power_;  // K and |K|^2, (1, 1, H, W/2 + 1)
  Spectrum none_, ones_;       // what makes a quotient a reciprocal
};

}  // namespace tweedie
