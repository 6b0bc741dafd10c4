// Blurs of images whose edges are joined, by FFTs of the image's own size; and what keeps every s-th pixel of
// them.
#pragma once

#include <complex>
#include <memory>
#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "kernels/correlate.hpp"
#include "operators/kinds.hpp"
#include "operators/separable.hpp"

namespace tweedie {

/// The orthonormal 2-D Hartley transform of every plane, its own inverse (see `hartley_from_half`).
Tensor hartley_transform(Context& context, const Tensor& x);

/// Every channel circularly filtered with one kernel (1, 1, kh, kw) of any size, the same size out:
///   correlate: y[h, w] = sum_ij k[i, j] x[h + i - kh/2, w + j - kw/2]
///   convolve:  y[h, w] = sum_ij k[i, j] x[h - i + kh/2, w - j + kw/2] , indices modulo H and W.
/// Singular values are the magnitudes of the kernel's spectrum (in double, then rounded), V is Hartley's
/// transform.
class CircularBlur : public LinearOperator {
 public:
  /// Errors: a kernel of several channels or samples.
  CircularBlur(Context& context, const Tensor& kernel, Direction direction);
  Shape output_shape(const Shape& image) const override { return image; }
  Tensor apply(const Tensor& x) override { return filtered(x, false); }
  Tensor adjoint(const Tensor& y, const Shape& image) override;
  Spectral* spectral(const Shape& image) override;

  /// What multiplies the image's half spectrum, H x (W/2 + 1): the kernel's, or its conjugate, in double.
  /// Values below 1e-12 of the largest are 0.
  std::vector<std::complex<double>> response(int H, int W) const;

 private:
  Tensor filtered(const Tensor& x, bool transposed);

  Context& context_;
  Shape shape_;  ///< of the kernel
  std::vector<float> kernel_;
  Direction direction_;
  int H_ = 0, W_ = 0;  // of the images that `response_` is for
  TensorOf<std::complex<float>> response_;
  SpectralCache spectral_;
};

/// A circular blur by true convolution, of which every `factor`-th pixel is kept, from pixel 0 on (the
/// measurement of USRNet and DiffPIR). Sides are multiples of the factor. A A^T is a circular convolution of
/// the small image, whose spectrum is the mean of |K|^2 over the frequencies that fall together: so (r2 A A^T
/// + s2)^-1 and A^+ = A^T (A A^T)^+ have closed forms.
class CircularReduction : public LinearOperator {
 public:
  CircularReduction(Context& context, const Tensor& kernel, int factor);
  /// Errors: sides that are no multiples of the factor.
  Shape output_shape(const Shape& image) const override;
  Tensor apply(const Tensor& x) override;
  Tensor adjoint(const Tensor& y, const Shape& image) override;
  bool has_pseudo_inverse() const override { return true; }
  /// Frequencies at which A A^T is below 1e-6 of its largest count as not measured.
  Tensor pseudo_inverse(const Tensor& y, const Shape& image) override;
  Tensor own_dual_solve(const Tensor& v, const Shape& image, double r2, double s2) override;

 private:
  void prepare(const Shape& image);

  Context& context_;
  int factor_;
  CircularBlur blur_;
  SeparableOperator kept_;
  int H_ = 0, W_ = 0;  // of the images that these are for:
  Tensor roots_;       // (1, 1, H/factor, W/factor): roots of A A^T's eigenvalues
  double largest_ = 0;
};

extern const OperatorKind super_resolution_circular_kind;

}  // namespace tweedie
