#include "kernels/simplex.hpp"

#include <algorithm>
#include <numeric>

#include "tests/cases/simplex.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Values = std::vector<float>;

Values normalised(Queue& q, const Values& x, const Shape& s) {
  return under_all_warp_orders(q, [&] {
    const DeviceArray<float> in(q, x), out(q, s.size());
    const DeviceArray<double> totals(q, s.N);
    normalise_to_simplex(q, out.view(s), totals.view({s.N, 1, 1, 1}), in.view(s));
    return out.host();
  });
}

Values gradient(Queue& q, const Values& x, const Values& dy, const Shape& s) {
  return under_all_warp_orders(q, [&] {
    const DeviceArray<float> in_place(q, x), on_y(q, dy);
    const DeviceArray<double> totals(q, s.N);
    const View<double> sums = totals.view({s.N, 1, 1, 1});
    normalise_to_simplex(q, in_place.view(s), sums, in_place.view(s));
    normalise_to_simplex_backward(q, on_y.view(s), on_y.view(s), in_place.view(s), sums);
    return on_y.host();
  });
}

Values projected(Queue& q, const Values& x, const Shape& s) {
  return under_all_warp_orders(q, [&] {
    const DeviceArray<float> in(q, x), out(q, s.size());
    project_to_simplex(q, out.view(s), in.view(s));
    return out.host();
  });
}

/// By sorting: tau is (sum of the k largest - 1) / k for the largest k whose k-th value is above it (Held,
/// Wolfe & Crowder 1974).
std::vector<double> projected_by_sorting(const Values& x, const Shape& s) {
  std::vector<double> y;
  for (int n = 0; n < s.N; ++n) {
    std::vector<double> sorted(x.begin() + n * s.sample(), x.begin() + (n + 1) * s.sample());
    const std::vector<double> given = sorted;
    std::sort(sorted.rbegin(), sorted.rend());
    double sum = 0, tau = 0;
    for (std::size_t k = 0; k < sorted.size(); ++k) {
      sum += sorted[k];
      if (sorted[k] > (sum - 1) / double(k + 1)) tau = (sum - 1) / double(k + 1);
    }
    for (const double v : given) y.push_back(std::max(v - tau, 0.0));
  }
  return y;
}

}  // namespace

TEST_CASE("simplex: values in [-1, 1] become kernels of sum 1, sample by sample") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const Shape& s : cases::simplexes_small) {
      Values x = random_values(s.size(), 1);
      // Samples of different sums, so that one sum over the batch would show.
      for (int n = 0; n < s.N; ++n)
        for (std::int64_t i = 0; i < s.sample(); ++i) x[std::size_t(n * s.sample() + i)] /= float(n + 1);
      std::vector<double> expected;
      for (int n = 0; n < s.N; ++n) {
        double sum = 0;
        for (std::int64_t i = 0; i < s.sample(); ++i)
          sum += (1 + double(x[std::size_t(n * s.sample() + i)])) / 2;
        for (std::int64_t i = 0; i < s.sample(); ++i)
          expected.push_back((1 + double(x[std::size_t(n * s.sample() + i)])) / 2 / sum);
      }
      check_close(message("normalise ", s), normalised(q, x, s), expected, 6e-8);
      if (s.size() == 0) continue;
      // The map bends by one part in the number of pixels: h^2 is far below the tolerance, which is that of
      // differences of floats over h.
      check_vjp(
          message("normalise ", s), [&](const Values& at) { return normalised(q, at, s); },
          [&](const Values& dy) { return gradient(q, x, dy, s); }, x, 3e-4, 1e-2);
    }
  }
}

TEST_CASE("simplex: where nothing is left, the kernel is uniform and has no gradient") {
  const Shape s{2, 1, 3, 5};
  Values x(30, -1.f), dy = random_values(30, 1);
  std::fill(x.begin() + 15, x.end(), 0.5f);
  for (const Device device : backends()) {
    Queue q(device);
    check_close("uniform", normalised(q, x, s), std::vector<double>(30, 1 / 15.0), 6e-8);
    const Values dx = gradient(q, x, dy, s);
    for (std::size_t i = 0; i < 15; ++i) {
      CHECK(dx[i] == 0);
      CHECK(dx[15 + i] != 0);
    }
  }
}

TEST_CASE("simplex: the nearest point, as sorting finds it") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const Shape& s : cases::simplexes_small)
      for (const float size : {0.01f, 1.f, 100.f}) {
        const Values x = random_values(s.size(), 1, -size, size);
        // tau is as large as the values, the result at most 1: one rounding of the former.
        check_close(message("project ", s, " of ", size), projected(q, x, s), projected_by_sorting(x, s),
                    1e-7);
      }
    // Ties, a point that is on the simplex already, and NaN.
    check_equal("ties", projected(q, {3, 3, 3, 3}, {1, 1, 2, 2}), Values{.25f, .25f, .25f, .25f});
    check_equal("stays", projected(q, {.5f, .25f, 0, .25f}, {1, 1, 2, 2}), Values{.5f, .25f, 0, .25f});
    CHECK(std::isnan(projected(q, {1, std::nanf(""), 0}, {1, 1, 1, 3})[1]));
  }
}

TEST_CASE("simplex: mistakes are named") {
  Queue q(Device::cpu);
  const DeviceArray<float> x(q, 4), y(q, 4);
  const DeviceArray<double> totals(q, 2);
  CHECK_THROWS_WITH_AS(
      normalise_to_simplex(q, y.view({1, 1, 2, 2}), totals.view({2, 1, 1, 1}), x.view({1, 1, 2, 2})),
      doctest::Contains("expected (1, 1, 1, 1)"), Error);
  CHECK_THROWS_AS(project_to_simplex(q, y.view({1, 1, 2, 2}), x.view({1, 1, 4, 1})), Error);
}

TEST_CASE("simplex: the gradient that pulls towards few pixels") {
  for (const Device device : backends()) {
    Queue q(device);
    const Shape s{2, 1, 5, 7};
    const Values x = random_values(s.size(), 1), before = random_values(s.size(), 2);
    for (const float width : {0.f, 0.3f}) {
      const Values got = under_all_warp_orders(q, [&] {
        const DeviceArray<float> in(q, x), to(q, before);
        add_sparsity_gradient(q, to.view(s), in.view(s), 0.5f, 0.5f, 3, width);
        return to.host();
      });
      std::vector<double> expected;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const auto value = [&](double at) {
          const double u = (at + 1) / 2;
          return 3 * (width == 0 ? u : u * u / (u * u + double(width) * double(width)));
        };
        expected.push_back(before[i] + (value(x[i] + 1e-5) - value(x[i] - 1e-5)) / 2e-5);
      }
      // Central differences in double are right to 1e-9; the rest is a few roundings.
      check_close("sparsity", got, expected, 5e-7);
    }
  }
}
