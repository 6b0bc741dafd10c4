// The elementwise ops that also read one value for each sample, channel or pixel.
#include <limits>

#include "kernels/elementwise.hpp"
#include "tests/cases/elementwise.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {
namespace {

using Values = std::vector<float>;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr double rounding = 6e-8;  // one rounding of the largest result

}  // namespace

TEST_CASE("elementwise: multiply broadcasts its factor and is its own adjoint") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const cases::MaskCase& row : cases::masks_small) {
      const Values x = random_values(row.x.size(), 1), m = random_values(row.mask.size(), 2);
      const View<const float> mask(m.data(), row.mask);
      const View<const float> planar(x.data(), row.x);
      std::vector<double> expected(x.size());
      for (int n = 0; n < row.x.N; ++n)
        for (int c = 0; c < row.x.C; ++c)
          for (int h = 0; h < row.x.H; ++h)
            for (int w = 0; w < row.x.W; ++w) {
              const auto i = planar.offset(n, c, h, w);
              expected[std::size_t(i)] =
                  double(x[std::size_t(i)]) *
                  m[std::size_t(mask.offset(row.mask.N == 1 ? 0 : n, row.mask.C == 1 ? 0 : c, h, w))];
            }
      DeviceArray<float> factor(q, m);
      const auto apply = [&](const Values& at) {
        return under_all_warp_orders(q, [&] {
          DeviceArray<float> y(q, at);
          multiply(q, y.view(row.x), y.view(row.x), factor.view(row.mask));
          return y.host();
        });
      };
      const std::string what = message("multiply on ", name(device), ' ', row.x, " by ", row.mask);
      check_close(what, apply(x), expected, rounding);
      // The differences of float products of size 1 carry their rounding.
      if (!x.empty()) check_vjp(what, apply, apply, x, 1e-5, 1);
    }
  }
}

TEST_CASE("elementwise: add_bias in every layout") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const cases::MapCase& row : cases::maps_small) {
      const Shape& s = row.shape;
      const Values x = random_values(s.size(), 1), bias = random_values(s.C, 2);
      Values expected = x;
      for (int n = 0; n < s.N; ++n)
        for (int c = 0; c < s.C; ++c)
          for (std::int64_t p = 0; p < s.plane(); ++p)
            expected[std::size_t((std::int64_t(n) * s.C + c) * s.plane() + p)] += bias[std::size_t(c)];
      const Values got = under_all_warp_orders(q, [&] {
        DeviceArray<float> y(q, to_blocks(x, s, row.b)), values(q, bias);
        add_bias(q, y.view(s, row.b), y.view(s, row.b), values.data());
        return from_blocks(y.host(), s, row.b);
      });
      check_equal(message("add_bias on ", name(device), ' ', s, " b=", row.b), got, expected);
    }
  }
}

TEST_CASE("elementwise: divide_by_norm, its zero and its range") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const cases::MapCase& row : cases::maps_small) {
      const Shape& s = row.shape;
      const Values x = random_values(s.size(), 1);
      std::vector<double> squares, expected;
      // Sample 0 an ordinary norm, sample 1 none, sample 2 one that no float can hold.
      const double choices[] = {3.7, 0, 1e-90};
      for (int n = 0; n < s.N; ++n) squares.push_back(choices[n % 3]);
      Values scaled = x;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double square = squares[i / std::size_t(s.sample())];
        if (square == 1e-90) scaled[i] *= 1e-38f;
        expected.push_back(square == 0 ? 0
                                       : -2.5 * scaled[i] / std::sqrt(square) * (square == 1e-90 ? 1e-7 : 1));
      }
      const Values got = under_all_warp_orders(q, [&] {
        DeviceArray<float> y(q, scaled);
        DeviceArray<double> sums(q, squares);
        divide_by_norm(q, y.view(s, row.b), y.view(s, row.b), sums.view({s.N, 1, 1, 1}), -2.5f);
        Values values = y.host();
        for (std::size_t i = 0; i < values.size(); ++i)
          if (squares[i / std::size_t(s.sample())] == 1e-90) values[i] *= 1e-7f;
        return values;
      });
      check_close(message("divide_by_norm on ", name(device), ' ', s, " b=", row.b), got, expected,
                  3 * rounding);
    }
    // NaN in a sample whose norm is 0 by decree does not survive; elsewhere it does.
    DeviceArray<float> y(q, Values{nan, nan});
    DeviceArray<double> sums(q, std::vector<double>{0, 1});
    const Shape two{2, 1, 1, 1};
    divide_by_norm(q, y.view(two), y.view(two), sums.view(two), 1);
    CHECK(y.host()[0] == 0);
    CHECK(std::isnan(y.host()[1]));
  }
}

}  // namespace tweedie::test
