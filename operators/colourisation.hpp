// Colourisation: of a colour image only its gray version is measured.
#pragma once

#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "operators/kinds.hpp"

namespace tweedie {

/// y = sum_c w_c x_c: images (N, C, H, W) to one channel (N, 1, H, W). The weights sum to 1, so that gray
/// keeps its value. The pseudo-inverse is w^T y / |w|^2.
class Colourisation : public LinearOperator {
 public:
  /// Luma of RGB, 0.299, 0.587, 0.114 (ITU-R BT.601), by which programs make a colour picture gray.
  static std::vector<float> luma() { return {0.299f, 0.587f, 0.114f}; }
  /// Errors: no weights.
  Colourisation(Context& context, std::vector<float> weights = luma());
  /// Errors: another number of channels than weights.
  Shape output_shape(const Shape& image) const override;
  Tensor apply(const Tensor& x) override;
  Tensor adjoint(const Tensor& y, const Shape& image) override { return spread(y, image, 1); }
  bool has_pseudo_inverse() const override { return true; }
  Tensor pseudo_inverse(const Tensor& y, const Shape& image) override {
    return spread(y, image, float(1 / squared_));
  }
  /// One singular value a pixel, |w|, in channel 0; V is a reflection of the channels.
  Spectral* spectral(const Shape& image) override;

 private:
  Tensor spread(const Tensor& y, const Shape& image, float scale);

  Context& context_;
  int channels_;
  double squared_ = 0;  ///< |w|^2
  Tensor weights_;
  SpectralCache spectral_;
};

extern const OperatorKind colourisation_kind;

}  // namespace tweedie
