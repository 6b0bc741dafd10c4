#include "kernels/coefficients.hpp"

#include <cmath>

#include "tests/cases/elementwise.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

struct CoefficientCase {
  Shape x, s;
};
// One value, a value for each channel, the same for all channels, odd planes; the last has enough for
// threads.
constexpr CoefficientCase rows[] = {
    {{1, 1, 1, 1}, {1, 1, 1, 1}}, {{3, 2, 5, 7}, {1, 2, 5, 7}},       {{2, 3, 4, 9}, {1, 1, 4, 9}},
    {{0, 3, 4, 9}, {1, 3, 4, 9}}, {{2, 3, 111, 70}, {1, 3, 111, 70}},
};

using Expected = std::function<double(double x, double s)>;
using Call = std::function<void(Queue&, View<float>, View<const float>, View<const float>)>;

void check(const std::string& what, float low, const Call& call, const Expected& expected, double tolerance) {
  for (const Device device : backends()) {
    Queue q(device);
    for (const auto& [shape, of_s] : rows) {
      CAPTURE(shape);
      const std::vector<float> x = random_values(shape.size(), 1, -4, 4);
      std::vector<float> s = random_values(of_s.size(), 2, low, 1);
      if (s.size() > 3 && low <= 0) s[1] = 0;
      std::vector<double> wanted;
      for (std::size_t i = 0; i < x.size(); ++i)
        wanted.push_back(expected(double(x[i]), double(s[i % s.size()])));
      DeviceArray<float> in(q, x), by(q, s);
      const std::vector<float> got = under_all_warp_orders(q, [&] {
        DeviceArray<float> y(q, x);
        call(q, y.view(shape), y.view(shape), by.view(of_s));  // in place
        return y.host();
      });
      check_close(what, got, wanted, tolerance);
    }
  }
}

}  // namespace

TEST_CASE("coefficients: filters by singular values") {
  const double rounding = 4e-7;  // of a square, a sum, a quotient and a product
  for (const Filter& g : {Filter{0, 0.7f, 0.3f}, Filter{1, 1, 0.01f}, Filter{1, 1, 0, 0.2f}, Filter{1, 1, 0},
                          Filter{0, 1, 1e8f}})
    check(
        "filter", 0, [&](Queue& q, auto y, auto x, auto s) { filter(q, y, x, s, g); },
        [&](double x, double s) {
          const double below = double(g.a) * s * s + double(g.b);
          return s > double(g.above) && below != 0 ? x * (g.power ? s : 1) / below : 0;
        },
        rounding);
}

TEST_CASE("coefficients: quantised values are whole multiples of their steps") {
  check(
      "quantise", 0.01f, [](Queue& q, auto y, auto x, auto t) { quantise(q, y, x, t); },
      [](double x, double t) { return double(float(t) * std::round(float(x) / float(t))); }, 1e-7);
}

TEST_CASE("coefficients: what does not fit is refused") {
  Queue q(Device::cpu);
  std::vector<float> x(24), s(24);
  const View<float> y(x.data(), {2, 3, 2, 2});
  CHECK_THROWS_AS(filter(q, y, y, View<const float>(s.data(), {2, 3, 2, 2}), {}), Error);
  CHECK_THROWS_AS(filter(q, y, y, View<const float>(s.data(), {1, 2, 2, 2}), {}), Error);
  CHECK_THROWS_AS(filter(q, y, y, View<const float>(s.data(), {1, 3, 2, 2}), {2}), Error);
  CHECK_THROWS_AS(quantise(q, y, y, View<const float>(s.data(), {1, 3, 4, 1})), Error);
}
