// The second of the engine's two interfaces: what was measured of an image.
#pragma once

#include "engine/denoiser.hpp"
#include "engine/tensor.hpp"

namespace tweedie {

/// A differentiable map from images (N, C, H, W) in [-1, 1] to measurements, planar both.
class ForwardOperator {
 public:
  virtual ~ForwardOperator() = default;
  /// Shape of the measurement of a batch of images. Errors: an image the operator cannot take.
  virtual Shape output_shape(const Shape& image) const = 0;
  virtual Tensor forward(const Tensor& x) = 0;
  virtual Vjp<Tensor> vjp(const Tensor& x) = 0;
  virtual bool is_linear() const { return false; }
  /// Sets to 0 the entries of y at which nothing is measured (masked pixels), so that noise there, or a
  /// user's leftovers, do not enter the misfit. Most operators measure everywhere.
  virtual void discard_unmeasured(Tensor& y) { (void)y; }
};

/// A linear operator: its vjp is its adjoint, the same everywhere.
class LinearOperator : public ForwardOperator {
 public:
  bool is_linear() const final { return true; }
  /// A^T y for the Euclidean inner product; `image` is the shape of the result.
  virtual Tensor adjoint(const Tensor& y, const Shape& image) = 0;
  /// True where `pseudo_inverse` gives A^+.
  virtual bool has_pseudo_inverse() const { return false; }
  /// A^+ y: A A^+ A = A. Errors: none known for this operator.
  virtual Tensor pseudo_inverse(const Tensor& y, const Shape& image) {
    (void)y, (void)image;
    throw Error("this operator has no pseudo-inverse here");
  }
  Vjp<Tensor> vjp(const Tensor& x) final {
    image_ = x.shape();
    return {forward(x), [this](const Tensor& cotangent) { return adjoint(cotangent, image_); }};
  }

 private:
  Shape image_;
};

}  // namespace tweedie
