#include "kernels/softmax.hpp"

#include <limits>

#include "tests/cases/softmax.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

std::vector<double> reference(const std::vector<float>& x, int width) {
  std::vector<double> y(x.size());
  for (std::size_t row = 0; row < x.size(); row += width) {
    double maximum = x[row], sum = 0;
    for (int i = 0; i < width; ++i) maximum = std::max(maximum, double(x[row + i]));
    for (int i = 0; i < width; ++i) sum += std::exp(x[row + i] - maximum);
    for (int i = 0; i < width; ++i) y[row + i] = std::exp(x[row + i] - maximum) / sum;
  }
  return y;
}

std::vector<double> reference_backward(const std::vector<float>& dy, const std::vector<float>& y, int width) {
  std::vector<double> dx(y.size());
  for (std::size_t row = 0; row < y.size(); row += width) {
    double sum = 0;
    for (int i = 0; i < width; ++i) sum += double(dy[row + i]) * y[row + i];
    for (int i = 0; i < width; ++i) dx[row + i] = y[row + i] * (dy[row + i] - sum);
  }
  return dx;
}

std::vector<float> forward(Queue& q, const std::vector<float>& x, Shape shape) {
  const DeviceArray<float> from(q, x), to(q, std::int64_t(x.size()));
  softmax(q, to.view(shape), from.view(shape));
  return to.host();
}

std::vector<float> backward(Queue& q, const std::vector<float>& dy, const std::vector<float>& y,
                            Shape shape) {
  const DeviceArray<float> slope(q, dy), value(q, y), to(q, std::int64_t(y.size()));
  softmax_backward(q, to.view(shape), slope.view(shape), value.view(shape));
  return to.host();
}

}  // namespace

TEST_CASE("softmax: values and gradients against loops in double") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const Shape& shape : cases::softmaxes_small) {
      const std::vector<float> x = random_values(shape.size(), 1, -6, 6), dy = random_values(shape.size(), 2);
      const std::string name = message("softmax ", shape);
      const std::vector<float> y = under_all_warp_orders(q, [&] { return forward(q, x, shape); });
      // Rounding of x - max (up to 12 * 2^-24, which exp hands on), of exp (2^-23) and of the sum.
      check_close(name, y, reference(x, shape.W), 2e-6);
      // The row's inner product cancels against dy: errors count relative to y dy, which is at most y.
      std::vector<float> dx = under_all_warp_orders(q, [&] { return backward(q, dy, y, shape); });
      std::vector<double> expected = reference_backward(dy, y, shape.W);
      for (const float value : y) {
        dx.push_back(value);
        expected.push_back(value);
      }
      check_close(name + " backward", dx, expected, 1e-6);
      if (shape.W > 1 && shape.size() > 0)
        check_vjp(
            name, [&](const std::vector<float>& at) { return forward(q, at, shape); },
            [&](const std::vector<float>& w) { return backward(q, w, y, shape); }, x, 1e-3);
    }
  }
}

TEST_CASE("softmax: in place, and views that are not 16-byte aligned") {
  for (const Device d : backends()) {
    Queue q(d);
    const Shape shape{1, 2, 3, 40};
    const std::vector<float> x = random_values(shape.size(), 3, -3, 3), dy = random_values(shape.size(), 4);
    const std::vector<float> y = forward(q, x, shape), dx = backward(q, dy, y, shape);
    const DeviceArray<float> values(q, x), slopes(q, dy);
    softmax(q, values.view(shape), values.view(shape));
    check_equal("softmax in place", values.host(), y);
    softmax_backward(q, slopes.view(shape), slopes.view(shape), values.view(shape));
    check_equal("softmax_backward in place", slopes.host(), dx);

    std::vector<float> shifted = x;
    shifted.insert(shifted.begin(), std::nanf(""));
    const DeviceArray<float> odd(q, shifted);
    const View<float> view(odd.data() + 1, shape);
    softmax(q, view, view);
    std::vector<float> got = odd.host();
    got.erase(got.begin());
    check_close("softmax unaligned", got, reference(x, shape.W), 2e-6);
  }
}

TEST_CASE("softmax: large logits, masked entries and NaN") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const Device d : backends()) {
    Queue q(d);
    const std::vector<float> x = {-1e30f, 1e30f, 0,     1e30f,      //
                                  -1e5f,  -1e5f, -1e5f, -1e5f,      //
                                  3,      3,     3,     -infinity,  //
                                  1,      2,     NAN,   3};
    const std::vector<float> y = forward(q, x, {1, 1, 4, 4});
    const float third = 1.0f / 3;
    const std::vector<float> expected = {0,     0.5f,  0,     0.5f,  0.25f, 0.25f,
                                         0.25f, 0.25f, third, third, third, 0};
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(y[i] == expected[i]);
    for (std::size_t i = expected.size(); i < x.size(); ++i) CHECK(std::isnan(y[i]));
  }
}

TEST_CASE("softmax: wrong shapes are refused in one line") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> x(q, 8), y(q, 8);
    CHECK_THROWS_WITH_AS(softmax(q, y.view({1, 1, 2, 4}), x.view({1, 1, 4, 2})),
                         "softmax: shapes or layouts differ: (1, 1, 2, 4) b=1 and (1, 1, 4, 2) b=1", Error);
    CHECK_THROWS_WITH_AS(softmax(q, y.view({1, 2, 1, 4}, 2), x.view({1, 2, 1, 4}, 2)),
                         "softmax: takes planar views (b = 1), not b = 2", Error);
    CHECK_THROWS_AS(softmax_backward(q, y.view({1, 1, 2, 4}), y.view({1, 1, 4, 2}), x.view({1, 1, 2, 4})),
                    Error);
  }
}
