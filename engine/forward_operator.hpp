// The second of the engine's two interfaces: what was measured.
#pragma once

#include <memory>
#include <span>

#include "engine/saved.hpp"
#include "engine/spectral.hpp"
#include "engine/tensor.hpp"

namespace tweedie {

/// The unknowns of an operator, each planar (N, C, H, W): the image, and whatever else is not known.
using Unknowns = std::span<const Tensor>;

/// A differentiable map from one unknown or several to a measurement, planar all. The first unknown is the
/// image (N, C, H, W) in [-1, 1].
class ForwardOperator {
 public:
  virtual ~ForwardOperator() = default;
  virtual int unknowns() const { return 1; }
  /// Shape of the measurement. Errors: unknowns that the operator cannot take.
  virtual Shape output_shape(std::span<const Shape> unknowns) const = 0;
  /// An empty state for `forward` to fill.
  virtual std::unique_ptr<Saved> make_saved() const = 0;
  /// A(u); what `backward` needs is kept in `saved` unless that is null.
  virtual Tensor forward(Unknowns u, Saved* saved = nullptr) = 0;
  /// *du[k] = (dA / du_k)^T dy for every k whose pointer is not null. A saved state serves one backward.
  virtual void backward(std::span<Tensor* const> du, const Tensor& dy, Saved& saved) = 0;
  /// True where A is linear in that unknown while the others stay. The gradient with respect to it is then
  /// the same everywhere, and may be asked of a saved state as often as one likes.
  virtual bool linear_in(int unknown) const {
    (void)unknown;
    return false;
  }
  /// Sets to 0 the entries of y at which nothing is measured (masked pixels), so that noise there, or a
  /// user's leftovers, do not enter the misfit. Most operators measure everywhere.
  virtual void discard_unmeasured(Tensor& y) { (void)y; }

  // The same for an operator of one unknown.
  Shape output_shape(const Shape& x) const { return output_shape(std::span<const Shape>(&x, 1)); }
  Tensor forward(const Tensor& x, Saved* saved = nullptr) { return forward(Unknowns(&x, 1), saved); }
  Tensor backward(const Tensor& dy, Saved& saved) {
    Tensor dx;
    Tensor* const du[1] = {&dx};
    backward(du, dy, saved);
    return dx;
  }
};

/// An operator of the image alone.
class ImageOperator : public ForwardOperator {
 public:
  virtual Shape output_shape(const Shape& image) const = 0;
  virtual Tensor forward(const Tensor& x, Saved* saved = nullptr) = 0;
  /// (dA / dx)^T dy at the x that `saved` was filled at.
  virtual Tensor backward(const Tensor& dy, Saved& saved) = 0;
  /// True where `pseudo_inverse` is known.
  virtual bool has_pseudo_inverse() const { return false; }
  /// h^+(y), an image with h(h^+(h(x))) = h(x); of a linear operator, A^+ y. Errors: none known for this
  /// operator.
  virtual Tensor pseudo_inverse(const Tensor& y, const Shape& image) {
    (void)y, (void)image;
    throw Error("this operator has no pseudo-inverse here");
  }

  int unknowns() const final { return 1; }
  Shape output_shape(std::span<const Shape> u) const final { return output_shape(only(u)); }
  Tensor forward(Unknowns u, Saved* saved) final { return forward(only(u), saved); }
  void backward(std::span<Tensor* const> du, const Tensor& dy, Saved& saved) final {
    if (Tensor* const dx = only(du)) *dx = backward(dy, saved);
  }

 private:
  template <class T>
  static const T& only(std::span<const T> u) {
    require(u.size() == 1, "operator: ", u.size(), " unknowns, expected one");
    return u[0];
  }
  static Tensor* only(std::span<Tensor* const> du) {
    require(du.size() == 1, "operator: gradients of ", du.size(), " unknowns, expected one");
    return du[0];
  }
};

/// A linear operator: its gradient is its adjoint, the same everywhere.
class LinearOperator : public ImageOperator {
 public:
  /// A x.
  virtual Tensor apply(const Tensor& x) = 0;
  /// A^T y for the Euclidean inner product; `image` is the shape of the result.
  virtual Tensor adjoint(const Tensor& y, const Shape& image) = 0;
  /// The singular value decomposition for images of this shape (its N does not matter), where fast transforms
  /// know it; null where there is none. The operator owns it; it is good until another shape is asked for.
  virtual Spectral* spectral(const Shape& image) {
    (void)image;
    return nullptr;
  }
  /// (r2 A A^T + s2)^-1 v where there is a closed form without a `spectral`, or a better way to iterate than
  /// plain conjugate gradients; else an empty tensor. v is alike a measurement of `image`; r2 >= 0, s2 > 0.
  virtual Tensor own_dual_solve(const Tensor& v, const Shape& image, double r2, double s2) {
    (void)v, (void)image, (void)r2, (void)s2;
    return {};
  }

  bool linear_in(int) const final { return true; }
  std::unique_ptr<Saved> make_saved() const final { return std::make_unique<ImageShape>(); }
  Tensor forward(const Tensor& x, Saved* saved = nullptr) final {
    if (saved) saved_as<ImageShape>(*saved, "linear operator").shape = x.shape();
    return apply(x);
  }
  Tensor backward(const Tensor& dy, Saved& saved) final {
    return adjoint(dy, saved_as<ImageShape>(saved, "linear operator").shape);
  }

 private:
  struct ImageShape : Saved {
    Shape shape;
  };
};

/// `op` as a linear operator; null where it is none.
inline LinearOperator* as_linear(ForwardOperator& op) { return dynamic_cast<LinearOperator*>(&op); }

}  // namespace tweedie
