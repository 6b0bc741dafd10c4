// A reduction with every inverse the guidances ask for.
#pragma once

#include "engine/device_rows.hpp"
#include "engine/forward_operator.hpp"
#include "kernels/elementwise.hpp"

namespace tweedie::test {

/// y = means of `factor` x `factor` pixels: A A^T = 1 / factor^2, so A^+ = factor^2 A^T.
class Pooling : public LinearOperator {
 public:
  /// For H x W images whose sides are multiples of factor.
  Pooling(Context& context, int H, int W, int factor)
      : context_(context),
        factor_(factor),
        down_h_(context, rows(H, factor)),
        down_w_(context, rows(W, factor)),
        up_h_(context, rows(H, factor).transposed()),
        up_w_(context, rows(W, factor).transposed()) {}
  Shape output_shape(const Shape& s) const override { return {s.N, s.C, s.H / factor_, s.W / factor_}; }
  Tensor apply(const Tensor& x) override { return filter(x, down_h_, down_w_); }
  Tensor adjoint(const Tensor& y, const Shape&) override { return filter(y, up_h_, up_w_); }
  bool has_pseudo_inverse() const override { return true; }
  Tensor pseudo_inverse(const Tensor& y, const Shape& image) override {
    Tensor x = adjoint(y, image);
    axpby(context_.queue, x, float(factor_ * factor_), x, 0.f, x);
    return x;
  }

 private:
  static SparseRows rows(int pixels, int factor) {
    SparseRows m{pixels / factor, pixels, {0}, {}, {}};
    for (int i = 0; i < m.rows * factor; ++i) {
      m.index.push_back(i);
      m.weight.push_back(1 / float(factor));
      if ((i + 1) % factor == 0) m.start.push_back(i + 1);
    }
    return m;
  }
  Tensor filter(const Tensor& x, const DeviceRows& along_h, const DeviceRows& along_w) {
    const Shape s = x.shape();
    Tensor rows = context_.planar({s.N, s.C, along_h.rows(), s.W});
    axis_filter(context_.queue, rows, x, along_h.view(), Axis::rows);
    Tensor both = context_.planar({s.N, s.C, along_h.rows(), along_w.rows()});
    axis_filter(context_.queue, both, rows, along_w.view(), Axis::columns);
    return both;
  }

  Context& context_;
  int factor_;
  DeviceRows down_h_, down_w_, up_h_, up_w_;
};

}  // namespace tweedie::test
