// Operators that act on rows and columns in turn: Gaussian blur, bicubic and average-pooling
// super-resolution.
#pragma once

#include <functional>

#include "engine/device_rows.hpp"
#include "engine/forward_operator.hpp"
#include "operators/kinds.hpp"

namespace tweedie {

/// y = R x C^T for each channel: R along H, C along W, sparse. The adjoint is exact: the transposed matrices.
class SeparableOperator : public LinearOperator {
 public:
  /// `rows(n)` makes the matrix for an axis of n pixels, the same for both axes unless two are given.
  /// `independent_rows`: their rows are linearly independent, so that the pseudo-inverse is that of each
  /// axis, R^T (R R^T)^-1; else there is none here. Errors: whatever it throws for an n it cannot take.
  SeparableOperator(Context& context, std::function<SparseRows(int)> rows, bool independent_rows = false)
      : SeparableOperator(context, rows, rows, independent_rows) {}
  SeparableOperator(Context& context, std::function<SparseRows(int)> along_h,
                    std::function<SparseRows(int)> along_w, bool independent_rows = false);
  Shape output_shape(const Shape& image) const override;
  Tensor apply(const Tensor& x) override;
  Tensor adjoint(const Tensor& y, const Shape& image) override;
  bool has_pseudo_inverse() const override { return independent_rows_; }
  Tensor pseudo_inverse(const Tensor& y, const Shape& image) override;
  /// By the decompositions of both matrices, made when first asked for (see `singular_values` for the cost).
  Spectral* spectral(const Shape& image) override;

 private:
  using Maker = std::function<SparseRows(int)>;
  /// One axis: its matrix, the transpose and, once asked for, the pseudo-inverse, on the device.
  struct Matrix {
    Maker make;
    int pixels = 0;
    DeviceRows forward, transposed, inverse;
  };
  void prepare(Matrix& axis, int pixels, bool with_inverse);
  /// Back from y's shape to the image's, by the matrices of both axes that `rows` picks.
  Tensor back(const Tensor& y, const Shape& image, DeviceRows Matrix::*rows);

  Context& context_;
  bool independent_rows_;
  Matrix along_h_, along_w_;
  SpectralCache spectral_;
};

enum class Boundary { reflect, circular };  ///< reflect: without repeating the edge, as ReflectionPad2d

/// Index of pixel i (any integer) in an axis of n pixels under a boundary rule.
int fold(int i, int n, Boundary boundary);

/// Correlation with an odd number of taps, the same size out.
SparseRows correlation_rows(int pixels, const std::vector<double>& taps, Boundary boundary);

/// The 1-D factor of the DPS repository's Gaussian kernel: scipy's gaussian_filter of a delta in
/// `kernel_size` pixels, at kernel_size / 2, truncated at 4 sigma. (Its 2-D kernel is the outer product.)
/// Errors: no pixels; a sigma that is not positive.
std::vector<double> gaussian_taps(int kernel_size, double sigma);

/// The Resizer of the DPS repository (MATLAB's imresize): cubic interpolation (a = -1/2), widened by the
/// factor against aliasing, edges mirrored with repetition, rows normalised to 1. Output ceil(pixels /
/// factor).
SparseRows bicubic_rows(int pixels, int factor);

/// Means of `factor` pixels. Errors: pixels not a multiple of it.
SparseRows average_rows(int pixels, int factor);

/// The setting `scale_factor`, and the image's shape by it.
inline constexpr Setting scale_factor_setting =
    Setting::whole("scale_factor", 4, 1, 64, "reduction").spelled("--factor").stated_in_files();
Shape enlarged_by_scale_factor(const Settings& settings, const Shape& measured);

extern const OperatorKind gaussian_blur_kind;
extern const OperatorKind super_resolution_kind;

/// The setting of all blurs, and its value.
inline constexpr Setting boundary_setting =
    Setting::text("boundary", "reflect", "reflect, circular", "how the image goes on beyond its edge");
Boundary boundary_of(const Settings& settings);

}  // namespace tweedie
