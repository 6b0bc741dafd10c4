// The separable operators of DDRM's code: blurs and reductions whose small singular values are set to 0.
#pragma once

#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "operators/separable_spectral.hpp"

namespace tweedie {

/// A dense matrix, row-major.
struct DenseMatrix {
  int rows = 0, columns = 0;
  std::vector<double> values;
};

/// y = M x M^T for each channel, M (m x S) having lost its singular values below `zero`; images are square, S
/// x S. A is applied by its decomposition. Those lost are 0 in `s` but still `listed`, as DDRM's code counts
/// them.
class TruncatedSeparable : public LinearOperator {
 public:
  /// order: empty, or of S S entries, the flat index i S + j of the product s_i s_j of each rank, the largest
  /// first. With it the values are dealt out as DDRM's code does by mistake (`singular_order: compat`): of C
  /// channels, the coefficient of rank k and channel c has the value of rank (C k + c) mod S^2. Errors: an
  /// order that is none.
  TruncatedSeparable(Context& context, const DenseMatrix& m, double zero, std::vector<int> order = {});
  /// Errors: images of other sides.
  Shape output_shape(const Shape& image) const override;
  Tensor apply(const Tensor& x) override;
  Tensor adjoint(const Tensor& y, const Shape& image) override;
  bool has_pseudo_inverse() const override { return true; }
  Tensor pseudo_inverse(const Tensor& y, const Shape& image) override;
  Spectral* spectral(const Shape& image) override;

 private:
  Context& context_;
  Svd svd_;
  std::vector<int> order_;
  SpectralCache spectral_;
};

/// Their blur of S pixels, edges 0: row i is sum_j k[j - i + n/2] x[j] for j from i - n/2 to i + n/2 - 1, so
/// that of an odd kernel the last of the n taps is never used.
DenseMatrix ddrm_blur(int pixels, const std::vector<double>& taps);
/// n taps exp(-x^2 / 2 sigma^2) / sum, x = 0 in the middle.
std::vector<double> ddrm_gaussian(int taps, double sigma);
/// Their bicubic reduction: 4 factor taps of Keys' cubic with parameter a, normalised, edges mirrored with
/// repetition. Errors: pixels that are no multiple of the factor.
DenseMatrix ddrm_bicubic(int pixels, int factor, double a);

}  // namespace tweedie
