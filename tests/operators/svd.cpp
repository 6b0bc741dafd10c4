#include "operators/svd.hpp"

#include <cmath>

#include "kernels/error.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

/// Largest entry of | X^T X - 1 | over the columns of X (rows x columns).
double skewness(const std::vector<double>& x, int rows, int columns) {
  double worst = 0;
  for (int i = 0; i < columns; ++i)
    for (int j = 0; j < columns; ++j) {
      double sum = i == j ? -1 : 0;
      for (int k = 0; k < rows; ++k) sum += x[std::size_t(k * columns + i)] * x[std::size_t(k * columns + j)];
      worst = std::max(worst, std::abs(sum));
    }
  return worst;
}

void check_svd(const std::vector<double>& a, int m, int n, int rank) {
  CAPTURE(m);
  CAPTURE(n);
  const Svd svd = singular_values(a, m, n);
  const int least = std::min(m, n);
  REQUIRE(int(svd.s.size()) == least);
  CHECK(svd.rank == rank);
  CHECK(skewness(svd.U, m, least) < 1e-12);
  CHECK(skewness(svd.V, n, n) < 1e-12);
  for (int i = 0; i + 1 < least; ++i) CHECK(svd.s[std::size_t(i)] >= svd.s[std::size_t(i) + 1]);
  double worst = 0;
  for (int r = 0; r < m; ++r)
    for (int c = 0; c < n; ++c) {
      double sum = -a[std::size_t(r * n + c)];
      for (int k = 0; k < least; ++k)
        sum += svd.U[std::size_t(r * least + k)] * svd.s[std::size_t(k)] * svd.V[std::size_t(c * n + k)];
      worst = std::max(worst, std::abs(sum));
    }
  CHECK(worst <= 1e-12 * std::max(svd.s[0], 1e-30));
}

std::vector<double> random(int count, unsigned seed) {
  const std::vector<float> values = random_values(count, seed);
  return {values.begin(), values.end()};
}

}  // namespace

TEST_CASE("svd: orthogonal factors give the matrix back, whatever its shape and rank") {
  for (const auto& [m, n] : {std::pair{1, 1}, {1, 7}, {7, 1}, {5, 9}, {9, 5}, {8, 8}, {40, 41}, {64, 256}})
    check_svd(random(m * n, 3), m, n, std::min(m, n));
  check_svd(std::vector<double>(12, 0.0), 3, 4, 0);
  check_svd(std::vector<double>(12, 2.5), 3, 4, 1);
  std::vector<double> product(9 * 6, 0.0);  // of rank 2
  const std::vector<double> left = random(18, 5), right = random(12, 6);
  for (std::size_t i = 0; i < 9; ++i)
    for (std::size_t j = 0; j < 6; ++j)
      product[i * 6 + j] = left[2 * i] * right[2 * j] + left[2 * i + 1] * right[2 * j + 1];
  check_svd(product, 9, 6, 2);
}

TEST_CASE("svd: of a diagonal matrix, its absolute values in order, tiny ones to their own digits") {
  const std::vector<double> d{1e-9, -3, 0.5, 1e-5};
  std::vector<double> a(16, 0.0);
  for (std::size_t i = 0; i < 4; ++i) a[i * 4 + i] = d[i];
  const Svd svd = singular_values(a, 4, 4);
  const double expected[] = {3, 0.5, 1e-5, 1e-9};
  for (std::size_t i = 0; i < 4; ++i) CHECK(svd.s[i] == doctest::Approx(expected[i]).epsilon(1e-14));
}

TEST_CASE("svd: what is no matrix is refused") {
  CHECK_THROWS_WITH_AS(singular_values({1, 2, 3}, 2, 2), doctest::Contains("3 values for 2x2"), Error);
  CHECK_THROWS_WITH_AS(singular_values({1, NAN}, 1, 2), doctest::Contains("not finite"), Error);
}
