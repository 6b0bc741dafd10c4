// Metrics of kernels and measurements, by hand.
#include "tools/metrics/kernel_match.hpp"

#include <cmath>

#include "tests/tools/files_for_tests.hpp"

namespace tweedie::test {
namespace {

using metrics::Matrix;

Matrix kernel(int rows, int columns, std::vector<double> values) {
  Matrix m(rows, columns);
  m.data = std::move(values);
  return m;
}

}  // namespace

TEST_CASE("the match of kernels is blind to a shift, and says which") {
  const Matrix a = kernel(3, 4, {0, 1, 2, 0, 0, 3, 1, 0, 0, 0, 0, 0});
  const Matrix moved = kernel(3, 4, {0, 0, 0, 0, 2, 4, 0, 0, 6, 2, 0, 0});  // down 1, left 1, twice as bright
  const metrics::KernelMatch m = metrics::match(a, moved);
  CHECK(m.mnc == doctest::Approx(1).epsilon(1e-14));
  CHECK(m.rows == 1);
  CHECK(m.columns == -1);
  // 2 points against a row of 3: the best overlap is 1 * 1 + 1 * 1 of sqrt(2) * sqrt(3).
  const metrics::KernelMatch part = metrics::match(kernel(1, 2, {1, 1}), kernel(1, 3, {1, 1, 1}));
  CHECK(part.mnc == doctest::Approx(2 / std::sqrt(6.0)).epsilon(1e-14));
  // Corners that only meet at the farthest shift.
  const metrics::KernelMatch far = metrics::match(kernel(2, 2, {1, 0, 0, 0}), kernel(2, 2, {0, 0, 0, 1}));
  CHECK(far.mnc == 1);
  CHECK(far.rows == 1);
  CHECK(far.columns == 1);
  CHECK(error_of([&] { metrics::match(a, Matrix(3, 4)); }) ==
        "match of kernels: one is empty, all zero or not finite");
}

TEST_CASE("mse of kernels: scaled to sum 1, and to maximum 1") {
  const Matrix a = kernel(1, 4, {1, 1, 2, 0}), b = kernel(1, 4, {3, 0, 0, 1});
  // Sums: (1/4, 1/4, 1/2, 0) against (3/4, 0, 0, 1/4); maxima: (1/2, 1/2, 1, 0) against (1, 0, 0, 1/3).
  CHECK(metrics::mse_of_unit_sum(a, b) == doctest::Approx((0.25 + 0.0625 + 0.25 + 0.0625) / 4));
  CHECK(metrics::mse_of_unit_maximum(a, b) == doctest::Approx((0.25 + 0.25 + 1 + 1.0 / 9) / 4));
  CHECK(error_of([&] {
          metrics::mse_of_unit_sum(a, kernel(1, 3, {1, 1, 1}));
        }) == "mse of kernels of 1x4 and 1x3 taps: expected one size");
  CHECK(error_of([&] {
          metrics::mse_of_unit_sum(a, kernel(1, 4, {1, -1, 0, 0}));
        }) == "mse of kernels: expected kernels of a positive sum, got 4 and 0");
}

TEST_CASE("misfit of a measurement") {
  const metrics::DataMisfit m = metrics::data_misfit(5, 4, 0.5);
  CHECK(m.norm == doctest::Approx(5));
  CHECK(m.rms == doctest::Approx(2.5));
  CHECK(m.chi2 == doctest::Approx(25));
  CHECK(m.excess == doctest::Approx(24));
  CHECK(error_of([] { metrics::data_misfit(1, 1, 0); }) == "misfit of 1 numbers with noise 0");
}

}  // namespace tweedie::test
