#include "kernels/warp.hpp"

#include <limits>

#include "tests/cases/warp.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Values = std::vector<float>;

Shape field_shape(const cases::WarpCase& c) { return {c.fields, 2, c.x.H, c.x.W}; }

/// Displacements whose fractions keep away from 0 and 1, where the slope jumps.
Values displacements(const cases::WarpCase& c) {
  Values phi = random_values(field_shape(c).size(), 3, -c.reach, c.reach);
  for (float& d : phi) d = std::floor(d) + 0.1f + 0.8f * (d - std::floor(d));
  return phi;
}

/// Samples by N for dx and y, from a formula over all pixels: each pixel weighs max(0, 1 - its distance by
/// rows) times the same by columns.
double weight(double row, double column, int h, int w) {
  return std::max(0.0, 1 - std::abs(row - h)) * std::max(0.0, 1 - std::abs(column - w));
}

template <class F>  // f(y's offset, x's offset, weight) for every pair of pixels
void for_each_pair(const cases::WarpCase& c, const Values& phi, F f) {
  const Shape s = c.x, p = field_shape(c);
  const View<const float> image(nullptr, s), field(phi.data(), p);
  for (int n = 0; n < s.N; ++n)
    for (int ch = 0; ch < s.C; ++ch)
      for (int h = 0; h < s.H; ++h)
        for (int w = 0; w < s.W; ++w) {
          const int of = p.N == 1 ? 0 : n;
          const double row = h + double(phi[std::size_t(field.offset(of, 1, h, w))]);
          const double column = w + double(phi[std::size_t(field.offset(of, 0, h, w))]);
          for (int i = std::max(0, int(row) - 2); i < std::min(double(s.H), row + 2); ++i)
            for (int j = std::max(0, int(column) - 2); j < std::min(double(s.W), column + 2); ++j)
              f(std::size_t(image.offset(n, ch, h, w)), std::size_t(image.offset(n, ch, i, j)),
                weight(row, column, i, j));
        }
}

std::vector<double> warped(const cases::WarpCase& c, const Values& x, const Values& phi) {
  std::vector<double> y(x.size(), 0.0);
  for_each_pair(c, phi, [&](std::size_t to, std::size_t from, double share) { y[to] += share * x[from]; });
  return y;
}

Values run(Queue& q, const cases::WarpCase& c, const Values& x, const Values& phi) {
  return under_all_warp_orders(q, [&] {
    const DeviceArray<float> in(q, x), field(q, phi), out(q, c.x.size());
    warp(q, out.view(c.x), in.view(c.x), field.view(field_shape(c)));
    check_equal("input left alone", field.host(), phi);
    return out.host();
  });
}

Values run_image(Queue& q, const cases::WarpCase& c, const Values& dy, const Values& phi) {
  return under_all_warp_orders(q, [&] {
    const DeviceArray<float> in(q, dy), field(q, phi), out(q, c.x.size());
    warp_backward_image(q, out.view(c.x), in.view(c.x), field.view(field_shape(c)));
    return out.host();
  });
}

Values run_field(Queue& q, const cases::WarpCase& c, const Values& dy, const Values& x, const Values& phi) {
  return under_all_warp_orders(q, [&] {
    const DeviceArray<float> on_y(q, dy), in(q, x), field(q, phi), out(q, std::int64_t(phi.size()));
    warp_backward_displacement(q, out.view(field_shape(c)), on_y.view(c.x), in.view(c.x),
                               field.view(field_shape(c)));
    return out.host();
  });
}

}  // namespace

TEST_CASE("warp: linear interpolation at displaced pixels, zero outside, and its adjoint") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const cases::WarpCase& c : cases::warps_small) {
      const Values x = random_values(c.x.size(), 1), phi = displacements(c);
      const std::string what = message("warp on ", name(device), ' ', c.x, " by ", c.reach);
      // Four terms, each of three roundings.
      check_close(what, run(q, c, x, phi), warped(c, x, phi), 5e-7);
      std::vector<double> adjoint(x.size(), 0.0);
      for_each_pair(c, phi,
                    [&](std::size_t to, std::size_t from, double share) { adjoint[from] += share * x[to]; });
      // As many roundings as pixels read one, which are few but where the displacements gather them.
      check_close(what + " adjoint", run_image(q, c, x, phi), adjoint, 2e-6);
    }
  }
}

TEST_CASE("warp: the gradient with respect to displacements") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const cases::WarpCase& c : cases::warps_small) {
      if (c.x.size() == 0 || c.x.size() > 2000) continue;
      const Values x = random_values(c.x.size(), 1), phi = displacements(c);
      // Along a line through displacement space values are quadratic within their cells: central differences
      // have rounding errors only, 6e-8 over the step.
      check_vjp(
          message("warp on ", name(device), ' ', c.x, " by ", c.reach),
          [&](const Values& at) { return run(q, c, x, at); },
          [&](const Values& dy) { return run_field(q, c, dy, x, phi); }, phi, 1e-4, 1e-2);
    }
  }
}

TEST_CASE("warp: pixels that all point to one, and whole displacements") {
  const cases::WarpCase c{{2, 3, 11, 37}, 1, 0};
  const Values dy = random_values(c.x.size(), 1, 0.5f, 1);
  Values gathered(std::size_t(2 * c.x.plane())), whole(gathered.size());
  for (int h = 0; h < 11; ++h)
    for (int w = 0; w < 37; ++w) {
      const std::size_t at = std::size_t(h * 37 + w), plane = std::size_t(c.x.plane());
      gathered[at] = float(20 - w), gathered[plane + at] = float(4 - h);
      whole[at] = float(w % 3 - 1), whole[plane + at] = float(h % 5 - 2);
    }
  Queue cpu(Device::cpu);
  const Values expected = run_image(cpu, c, dy, gathered);
  for (int p = 0; p < 6; ++p) {
    double sum = 0;
    for (int i = 0; i < 11 * 37; ++i) sum += dy[std::size_t(p * 11 * 37 + i)];
    for (int i = 0; i < 11 * 37; ++i)
      CHECK(expected[std::size_t(p * 11 * 37 + i)] ==
            doctest::Approx(i == 4 * 37 + 20 ? sum : 0).epsilon(1e-5));
  }
  for (const Device device : backends()) {
    Queue q(device);
    check_equal("gathered", run_image(q, c, dy, gathered), expected);
    check_close("whole", run(q, c, dy, whole), warped(c, dy, whole), 0);
    // At a whole displacement of 0: the slope to the next pixel on the right, and below; 0 beyond the edge.
    const Values flat(gathered.size(), 0.f), ones(dy.size(), 1.f);
    const Values slopes = run_field(q, c, ones, dy, flat);
    for (const int w : {0, 17, 36}) {
      double right = 0;
      for (int p = 0; p < 6; ++p) {
        const std::size_t i = std::size_t((p * 11 + 3) * 37 + w);
        right += (w < 36 ? dy[i + 1] : 0.f) - dy[i];
      }
      CHECK(slopes[std::size_t(3 * 37 + w)] == doctest::Approx(right).epsilon(1e-5));
    }
  }
}

TEST_CASE("warp: the same bits on every backend") {
  const cases::WarpCase c{{2, 5, 301, 229}, 2, 4};
  const Values x = random_values(c.x.size(), 1), dy = random_values(c.x.size(), 2), phi = displacements(c);
  Queue cpu(Device::cpu);
  for (const Device device : backends()) {
    Queue q(device);
    check_equal("forward", run(q, c, x, phi), run(cpu, c, x, phi));
    check_equal("displacements", run_field(q, c, dy, x, phi), run_field(cpu, c, dy, x, phi));
  }
  // Fewer pixels: the interpreter looks through every pixel's list.
  const cases::WarpCase small{{2, 5, 40, 67}, 2, 4};
  const Values of_small = random_values(small.x.size(), 2), displaced = displacements(small);
  const Values expected = run_image(cpu, small, of_small, displaced);
  for (const Device device : backends()) {
    Queue q(device);
    check_equal("image", run_image(q, small, of_small, displaced), expected);
  }
}

TEST_CASE("warp: displacements beyond all bounds count 0, NaN stays") {
  const cases::WarpCase c{{1, 1, 2, 3}, 1, 0};
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  const Values x(6, 1.f);
  Values phi(12, 0.f);
  phi[0] = 1e20f, phi[1] = -inf, phi[6 + 2] = -3e9f, phi[3] = nan, phi[6 + 4] = nan;
  for (const Device device : backends()) {
    Queue q(device);
    const Values y = run(q, c, x, phi);
    for (const int i : {0, 1, 2}) CHECK(y[std::size_t(i)] == 0);
    for (const int i : {3, 4}) CHECK(std::isnan(y[std::size_t(i)]));
    CHECK(y[5] == 1);
    check_equal("adjoint", run_image(q, c, x, phi), Values{0, 0, 0, 0, 0, 1});
  }
}

TEST_CASE("warp: mistakes are named") {
  for (const Device device : backends()) {
    Queue q(device);
    const DeviceArray<float> x(q, 24), y(q, 24), phi(q, 24);
    const Shape s{2, 1, 3, 4};
    CHECK_THROWS_WITH_AS(warp(q, y.view(s), x.view({2, 1, 4, 3}), phi.view({1, 2, 3, 4})),
                         doctest::Contains("shapes differ"), Error);
    CHECK_THROWS_WITH_AS(warp(q, y.view(s), x.view(s), phi.view({1, 2, 4, 3})),
                         doctest::Contains("expected (1 or 2, 2, 3, 4)"), Error);
    CHECK_THROWS_WITH_AS(
        warp_backward_image(q, y.view({2, 2, 3, 2}, 2), x.view({2, 2, 3, 2}), phi.view({2, 2, 3, 2})),
        doctest::Contains("planar"), Error);
  }
}
