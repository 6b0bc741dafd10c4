// Convolution by its definition, in double: what the tests of convolutions are held to.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/convolution.hpp"
#include "tests/cases/convolution.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {

struct ConvolutionCase {
  ConvolutionGeometry g;
  Shape x;
  ConvolutionCase(const ConvolutionGeometry& geometry, Shape shape) : g(geometry), x(shape) {}
  ConvolutionCase(const cases::ConvolutionCase& c) : g(c.geometry), x{c.N, c.geometry.in, c.H, c.W} {}
  Shape y() const { return {x.N, g.out, g.output_rows(x.H), g.output_columns(x.W)}; }
  std::int64_t weights() const { return std::int64_t(g.out) * g.in * g.taps(); }
  std::string name() const {
    return message(g.in, " -> ", g.out, ", kernel ", g.kernel, ", stride ", g.stride, ", pad ", g.pad, ", x ",
                   x);
  }
};

// y(n, o, h, w) = sum over i, r, s of x(n, i, h * stride + r - pad, w * stride + s - pad) * weights(o, i, r,
// s) visits every product once, so that forward and backward share the index arithmetic of the definition
// only.
template <class Visit>
void each_product(const ConvolutionCase& c, const Visit& visit) {
  const Shape y = c.y();
  const View<const float> x_planar(nullptr, c.x), y_planar(nullptr, y);
  for (int n = 0; n < y.N; ++n)
    for (int o = 0; o < y.C; ++o)
      for (int i = 0; i < c.g.in; ++i)
        for (int r = 0; r < c.g.kernel.h; ++r)
          for (int s = 0; s < c.g.kernel.w; ++s)
            for (int h = 0; h < y.H; ++h)
              for (int w = 0; w < y.W; ++w) {
                const int row = h * c.g.stride.h + r - c.g.pad.h, column = w * c.g.stride.w + s - c.g.pad.w;
                if (row < 0 || row >= c.x.H || column < 0 || column >= c.x.W) continue;
                visit(y_planar.offset(n, o, h, w), x_planar.offset(n, i, row, column),
                      ((std::int64_t(o) * c.g.in + i) * c.g.kernel.h + r) * c.g.kernel.w + s);
              }
}

struct ConvolutionReference {
  std::vector<float> x, dy, weights, bias, before;  ///< planar
  std::vector<double> y, dx, dweights, dbias;       ///< y without bias
  /// `rounded`: what the operands go through first.
  explicit ConvolutionReference(
      const ConvolutionCase& c, float (*rounded)(float) = [](float value) { return value; })
      : x(random_values(c.x.size(), 11)),
        dy(random_values(c.y().size(), 12)),
        weights(random_values(c.weights(), 13)),
        bias(random_values(c.g.out, 14)),
        before(random_values(c.y().size(), 15)),
        y(dy.size()),
        dx(x.size()),
        dweights(weights.size()),
        dbias(bias.size()) {
    for (std::vector<float>* operand : {&x, &dy, &weights})
      std::transform(operand->begin(), operand->end(), operand->begin(), rounded);
    for (std::size_t i = 0; i < dy.size(); ++i)
      dbias[std::size_t(std::int64_t(i) / c.y().plane() % c.g.out)] += dy[i];
    each_product(c, [&](std::int64_t to, std::int64_t from, std::int64_t weight) {
      y[to] += double(x[from]) * weights[weight];
      dx[from] += double(dy[to]) * weights[weight];
      dweights[weight] += double(dy[to]) * x[from];
    });
  }
  std::vector<double> expected(const ConvolutionCase& c, bool with_bias, bool accumulate) const {
    std::vector<double> sum = y;
    const std::int64_t plane = c.y().plane();
    for (std::size_t i = 0; i < sum.size(); ++i) {
      if (with_bias) sum[i] += bias[std::size_t(std::int64_t(i) / plane % c.g.out)];
      if (accumulate) sum[i] += before[i];
    }
    return sum;
  }
};

}  // namespace tweedie::test
