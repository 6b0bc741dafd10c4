// A linear Gaussian problem that falls apart into scalars: the operator and the prior share their modes.
#pragma once

#include <cmath>
#include <memory>
#include <numbers>
#include <vector>

#include "engine/device_rows.hpp"
#include "engine/forward_operator.hpp"
#include "kernels/elementwise.hpp"

namespace tweedie::test {

/// The separable Hartley transform of one-channel images: its matrix along an axis of n pixels is
/// cas(2 pi j k / n) / sqrt(n), cas = cos + sin, which is symmetric and its own inverse. A mode mixes the
/// frequencies (+-k, +-l) alone, so that it is a mode of every stationary, mirror-symmetric prior, too.
class Hartley : public Spectral {
 public:
  Hartley(Context& context, const Shape& image, const std::vector<float>& s)
      : Spectral(context, image, s, ones(s)),
        context_(context),
        along_h_(context, cas(image.H)),
        along_w_(context, cas(image.W)) {}
  Tensor Vt(const Tensor& x) override {
    Tensor rows = context_.planar(x.shape()), both = context_.planar(x.shape());
    axis_filter(context_.queue, rows, x, along_h_.view(), Axis::rows);
    axis_filter(context_.queue, both, rows, along_w_.view(), Axis::columns);
    return both;
  }
  Tensor V(const Tensor& c) override { return Vt(c); }
  Tensor Ut(const Tensor& y) override { return times(Vt(y), listed()); }
  Tensor U(const Tensor& c) override { return V(times(c, listed())); }
  bool onto() const override { return false; }
  Tensor times(const Tensor& c, const Tensor& weights) {
    Tensor result = context_.planar(c.shape());
    multiply(context_.queue, result, c, weights);
    return result;
  }

 private:
  static SparseRows cas(int n) {
    SparseRows m{n, n, {0}, {}, {}};
    for (int j = 0; j < n; ++j) {
      for (int k = 0; k < n; ++k) {
        const double angle = 2 * std::numbers::pi * j * k / n;
        m.index.push_back(k);
        m.weight.push_back(float((std::cos(angle) + std::sin(angle)) / std::sqrt(double(n))));
      }
      m.start.push_back(int(m.index.size()));
    }
    return m;
  }
  static std::vector<float> ones(std::vector<float> s) {
    for (float& value : s) value = value > 0 ? 1.f : 0.f;
    return s;
  }

  Context& context_;
  DeviceRows along_h_, along_w_;
};

/// A = V diag(s) V^T of these modes: a picture of the image's size, its own adjoint.
class HartleyOperator : public LinearOperator {
 public:
  HartleyOperator(Context& context, const Shape& image, const std::vector<float>& s)
      : modes_(context, image, s) {
    std::vector<float> inverse = s;
    for (float& value : inverse) value = value > 0 ? 1 / value : 0;
    inverse_ = context.upload(modes_.s().shape(), inverse);
  }
  Shape output_shape(const Shape& image) const override { return image; }
  Tensor apply(const Tensor& x) override { return modes_.V(modes_.times(modes_.Vt(x), modes_.s())); }
  Tensor adjoint(const Tensor& y, const Shape&) override { return apply(y); }
  bool has_pseudo_inverse() const override { return true; }
  Tensor pseudo_inverse(const Tensor& y, const Shape&) override {
    return modes_.V(modes_.times(modes_.Vt(y), inverse_));
  }
  Spectral* spectral(const Shape&) override { return &modes_; }

 private:
  Hartley modes_;
  Tensor inverse_;
};

}  // namespace tweedie::test
