// Operators that keep pixels as they are: identity and inpainting.
#pragma once

#include <cstdint>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "operators/kinds.hpp"

namespace tweedie {

/// y = x: denoising.
class Identity : public LinearOperator {
 public:
  explicit Identity(Context& context) : context_(context) {}
  Shape output_shape(const Shape& image) const override { return image; }
  Tensor apply(const Tensor& x) override;
  Tensor adjoint(const Tensor& y, const Shape& image) override;
  bool has_pseudo_inverse() const override { return true; }
  Tensor pseudo_inverse(const Tensor& y, const Shape& image) override { return adjoint(y, image); }
  Spectral* spectral(const Shape& image) override;

 private:
  Context& context_;
  SpectralCache spectral_;
};

/// y = m x: 1 where a pixel was observed, 0 elsewhere. A projection: its own adjoint and pseudo-inverse.
class Inpainting : public LinearOperator {
 public:
  /// mask: planar (1 or N, 1 or C, H, W), of zeros and ones.
  Inpainting(Context& context, Tensor mask);
  Shape output_shape(const Shape& image) const override;
  Tensor apply(const Tensor& x) override;
  Tensor adjoint(const Tensor& y, const Shape& image) override;
  bool has_pseudo_inverse() const override { return true; }
  Tensor pseudo_inverse(const Tensor& y, const Shape& image) override { return adjoint(y, image); }
  void discard_unmeasured(Tensor& y) override;
  /// Pixels are their own coefficients. Null where samples have masks of their own.
  Spectral* spectral(const Shape& image) override;
  const Tensor& mask() const { return mask_; }

 private:
  Context& context_;
  Tensor mask_;
  SpectralCache spectral_;
};

/// A hole of `height` x `width` pixels whose top-left corner is (top, left). Errors: it leaves the image.
std::vector<float> box_mask(int H, int W, int top, int left, int height, int width);
/// A hole of that size placed at random, `margin` pixels or more from every border.
std::vector<float> random_box_mask(int H, int W, int height, int width, int margin, std::uint64_t seed);
/// The other way round: what was observed is lost and the rest kept ("extreme" of a box: only it is left).
std::vector<float> inverted(std::vector<float> mask);
/// Observed where both masks observe.
std::vector<float> both(std::vector<float> mask, const std::vector<float>& other);
/// int(H * W * fraction) pixels dropped without replacement.
std::vector<float> random_mask(int H, int W, double fraction, std::uint64_t seed);

extern const OperatorKind identity_kind;
extern const OperatorKind inpainting_kind;

}  // namespace tweedie
