#include "kernels/correlate.hpp"

#include "tests/cases/correlate.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {
namespace {

using Values = std::vector<float>;

/// `count` taps scattered over `reach` pixels on all sides.
struct Taps {
  Taps(int count, int reach) : weight(random_values(count, 8)) {
    const Values at = random_values(2 * count, 9);
    for (int k = 0; k < count; ++k) {
      dh.push_back(int(float(reach) * at[std::size_t(2 * k)]));
      dw.push_back(int(float(reach) * at[std::size_t(2 * k + 1)]));
    }
  }
  std::vector<int> dh, dw;
  Values weight;
};

Values run(Queue& q, const Values& x, Shape shape, const Taps& taps, Direction direction) {
  return under_all_warp_orders(q, [&] {
    DeviceArray<int> dh(q, taps.dh), dw(q, taps.dw);
    DeviceArray<float> weight(q, taps.weight), in(q, x), out(q, shape.size());
    correlate(q, out.view(shape), in.view(shape),
              {int(taps.weight.size()), dh.data(), dw.data(), weight.data()}, direction);
    check_equal("input left alone", in.host(), x);
    return out.host();
  });
}

std::vector<double> reference(const Values& x, Shape s, const Taps& taps, int sign) {
  const View<const float> in(x.data(), s);
  std::vector<double> y;
  for (int n = 0; n < s.N; ++n)
    for (int c = 0; c < s.C; ++c)
      for (int h = 0; h < s.H; ++h)
        for (int w = 0; w < s.W; ++w) {
          double sum = 0;
          for (std::size_t k = 0; k < taps.weight.size(); ++k) {
            const int row = h + sign * taps.dh[k], column = w + sign * taps.dw[k];
            if (row >= 0 && row < s.H && column >= 0 && column < s.W)
              sum += double(taps.weight[k]) * x[std::size_t(in.offset(n, c, row, column))];
          }
          y.push_back(sum);
        }
  return y;
}

}  // namespace

TEST_CASE("correlate: the sum over taps, and convolution as its adjoint") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const cases::CorrelateCase& row : cases::correlates_small) {
      const Taps taps(row.taps, row.reach);
      const Values x = random_values(row.x.size(), 1);
      const std::string what = message("correlate on ", name(device), ' ', row.x, ", ", row.taps, " taps");
      // One rounding for each tap, of partial sums a few times as large as what cancellation leaves.
      const double tolerance = 4 * 6e-8 * std::max(row.taps, 1);
      check_close(what, run(q, x, row.x, taps, Direction::correlate), reference(x, row.x, taps, 1),
                  tolerance);
      check_close(what + " convolved", run(q, x, row.x, taps, Direction::convolve),
                  reference(x, row.x, taps, -1), tolerance);
      if (x.empty() || row.taps == 0) continue;
      check_vjp(
          what, [&](const Values& at) { return run(q, at, row.x, taps, Direction::correlate); },
          [&](const Values& dy) { return run(q, dy, row.x, taps, Direction::convolve); }, x, 1e-5, 1);
    }
  }
}

TEST_CASE("correlate: planes large enough for vectors and striding, the same bits on every backend") {
  const Shape shape{2, 2, 301, 229};
  const Taps taps(7, 9);
  const Values x = random_values(shape.size(), 1);
  Queue cpu(Device::cpu);
  const Values expected = run(cpu, x, shape, taps, Direction::correlate);
  check_close("large", expected, reference(x, shape, taps, 1), 7 * 6e-8);
  for (const Device device : backends()) {
    Queue q(device);
    check_equal(name(device), run(q, x, shape, taps, Direction::correlate), expected);
  }
}

TEST_CASE("correlate: mistakes are named") {
  for (const Device device : backends()) {
    Queue q(device);
    DeviceArray<float> y(q, 24), x(q, 24);
    CHECK_THROWS_WITH_AS(correlate(q, y.view({1, 1, 4, 6}), x.view({1, 1, 6, 4}), {}, Direction::correlate),
                         doctest::Contains("one shape"), Error);
    CHECK_THROWS_WITH_AS(
        correlate(q, y.view({1, 2, 4, 3}, 2), x.view({1, 2, 4, 3}, 2), {}, Direction::correlate),
        doctest::Contains("planar"), Error);
  }
}

}  // namespace tweedie::test
