#include "kernels/activation.hpp"

#include <cmath>

#include "tests/cases/elementwise.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Forward = std::function<void(Queue&, View<float>, View<const float>)>;
using Backward = std::function<void(Queue&, View<float>, View<const float>, View<const float>)>;

// `shift` spoils the alignment.
std::vector<float> forward(Queue& q, const Forward& f, std::vector<float> x, const Shape& s, int b,
                           int shift) {
  x.insert(x.begin(), std::size_t(shift), 0.f);
  return under_all_warp_orders(q, [&] {
    const DeviceArray<float> in(q, x), out(q, std::int64_t(x.size()));
    f(q, {out.data() + shift, s, b}, View<const float>(in.data() + shift, s, b));
    std::vector<float> y = out.host();
    y.erase(y.begin(), y.begin() + shift);
    return y;
  });
}

// In place: the gradient overwrites the cotangent.
std::vector<float> backward(Queue& q, const Backward& f, const std::vector<float>& dy,
                            const std::vector<float>& y, const Shape& s, int b) {
  return under_all_warp_orders(q, [&] {
    const DeviceArray<float> cotangent(q, dy), value(q, y);
    f(q, cotangent.view(s, b), View<const float>(cotangent.data(), s, b),
      View<const float>(value.data(), s, b));
    return cotangent.host();
  });
}

void check_row(Queue& q, const Shape& s, int b, int shift) {
  const std::string name = message(' ', s, " b=", b);
  std::vector<float> x = random_values(s.size(), 1, -3, 3);
  if (!x.empty()) x[0] = 0;
  const std::vector<float> dy = random_values(s.size(), 2);
  for (const float slope : {0.f, 0.1f}) {
    std::vector<double> y, dx;
    for (std::size_t i = 0; i < x.size(); ++i) {
      y.push_back(x[i] > 0 ? double(x[i]) : double(slope) * x[i]);
      dx.push_back(x[i] > 0 ? double(dy[i]) : double(slope) * dy[i]);
    }
    const auto f = [slope](Queue& on, View<float> to, View<const float> from) {
      leaky_relu(on, to, from, slope);
    };
    const std::vector<float> value = forward(q, f, x, s, b, shift);
    check_close("leaky_relu" + name, value, y, 6e-8);  // one product
    const auto g = [slope](Queue& on, View<float> to, View<const float> from, View<const float> at) {
      leaky_relu_backward(on, to, from, at, slope);
    };
    check_close("leaky_relu_backward" + name, backward(q, g, dy, value, s, b), dx, 6e-8);
  }
  std::vector<double> y, dx;
  for (std::size_t i = 0; i < x.size(); ++i) {
    y.push_back(std::tanh(double(x[i])));
    dx.push_back(dy[i] * (1 - y.back() * y.back()));
  }
  const std::vector<float> value = forward(q, tanh_forward, x, s, b, shift);
  // CUDA's tanhf and the C library's are good to 2 units in the last place; 1 - y^2 inherits them.
  check_close("tanh_forward" + name, value, y, 2.5e-7);
  check_close("tanh_backward" + name, backward(q, tanh_backward, dy, value, s, b), dx, 1e-6);
}

}  // namespace

TEST_CASE("activation: values and derivatives against the formulas") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const cases::MapCase& row : cases::maps_small)
      check_row(q, row.shape, cases::block(d, row.b, row.shape.C), 0);
    check_row(q, {1, 3, 5, 7}, 1, 1);
  }
}

TEST_CASE("activation: wrong shapes and slopes are refused") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> x(q, 8);
    const View<const float> from = x.view({1, 2, 2, 2});
    CHECK_THROWS_WITH_AS(leaky_relu(q, x.view({1, 2, 2, 2}, 2), from, 0),
                         "leaky_relu: shapes or layouts differ: (1, 2, 2, 2) b=2 and (1, 2, 2, 2) b=1",
                         Error);
    CHECK_THROWS_WITH_AS(leaky_relu(q, x.view({1, 2, 2, 2}), from, 1),
                         "leaky_relu: a slope of 1; expected 0 or more and below 1", Error);
    CHECK_THROWS_AS(tanh_backward(q, x.view({1, 2, 2, 2}), from, x.view({1, 2, 4, 1})), Error);
  }
}
