// Blur by any kernel: motion blur, a measured point spread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "kernels/correlate.hpp"
#include "operators/kinds.hpp"
#include "operators/separable.hpp"

namespace tweedie {

/// Cross-correlation of every channel with one 2-D kernel of odd sides, the same size out:
///   y[h, w] = sum_kl k[k, l] x[h + k - kh/2, w + l - kw/2] , x continued by the boundary rule.
/// Computed tap by tap (zeros are left out), or by FFTs of the continued image, whose sides are enlarged to
/// products of small primes so that nothing wraps around: their cost does not depend on the kernel's. The
/// adjoint is exact: the convolution of the zero-padded y, folded back by the transposed boundary rule.
class KernelBlur : public LinearOperator {
 public:
  enum class Path { direct, fft };
  /// kernel: planar (1, 1, kh, kw). Errors: even sides, more than one channel.
  KernelBlur(Context& context, const Tensor& kernel, Boundary boundary, Path path);
  Shape output_shape(const Shape& image) const override { return image; }
  Tensor apply(const Tensor& x) override;
  Tensor adjoint(const Tensor& y, const Shape& image) override;

 private:
  using Spectrum = TensorOf<std::complex<float>>;
  void prepare(int H, int W);
  /// x (correlated with, or convolved with) the kernel, on the enlarged planes.
  Tensor filter(const Tensor& x, Direction direction);

  Context& context_;
  Shape shape_;  ///< of the kernel
  std::vector<float> kernel_;
  Path path_;
  SeparableOperator continued_, embedded_;  // n pixels in the enlarged plane: by the rule, and alone
  TensorOf<int> dh_, dw_;                   // of the taps, for the direct path
  Tensor weights_;
  int H_ = 0, W_ = 0;  // of the image that `spectrum_` is for
  Spectrum spectrum_;  // of the kernel, for the other one
};

/// Blur by any kernel on the cheapest path: separable where the kernel is the outer product of a column and a
/// row (to 1e-6), else `CircularBlur` where edges are joined, else direct up to `direct_taps` of it, else by
/// FFT. All agree to rounding.
std::unique_ptr<LinearOperator> make_blur(Context& context, const Tensor& kernel, Boundary boundary);

/// Up to so many taps that are not 0 the direct path is about the cheaper one. Measured on a CPU, a 61x61
/// kernel on 3x256x256, forward and adjoint of the two paths in turn, direct over FFT: one core 1.0 with 16
/// taps, 1.4 with 24, 3.2 with 64; two cores 0.75 with 16, 0.95 with 24, 1.2 with 32 (cold caches: 1.05), 1.9
/// with 64.
inline constexpr int direct_taps = 24;

extern const OperatorKind kernel_blur_kind;

}  // namespace tweedie
