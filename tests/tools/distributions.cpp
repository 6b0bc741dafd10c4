// Distances of distributions against closed forms and plain loops, and the forms against each other.
#include "tools/metrics/distributions.hpp"

#include <cmath>
#include <random>

#include "tests/tools/files_for_tests.hpp"

namespace tweedie::test {
namespace {

using metrics::FeatureStatistics;
using metrics::frechet_distance;
using metrics::kernel_distance;
using metrics::Matrix;

Matrix random_matrix(int rows, int columns, unsigned seed, double shift = 0) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Matrix m(rows, columns);
  for (double& value : m.data) value = normal(random) + shift;
  return m;
}

FeatureStatistics statistics(std::vector<double> mean, std::vector<double> covariance) {
  FeatureStatistics s{std::move(mean), Matrix(2, 2)};
  s.covariance.data = std::move(covariance);
  return s;
}

bool near(double x, double y, double tolerance) { return std::abs(x - y) <= tolerance * std::abs(y); }

}  // namespace

TEST_CASE("Frechet distance of two variables, by the closed form of a 2x2 root's trace") {
  // tr (A B)^(1/2) = sqrt(tr(A B) + 2 sqrt(det A det B)).
  const FeatureStatistics x = statistics({1, -2}, {2, 0.5, 0.5, 1});
  const FeatureStatistics y = statistics({0, 1}, {1.5, -0.75, -0.75, 3});
  const double trace = 2 * 1.5 + 2 * 0.5 * -0.75 + 1 * 3, determinants = (2 - 0.25) * (4.5 - 0.5625);
  const double expected = 10 + 3 + 4.5 - 2 * std::sqrt(trace + 2 * std::sqrt(determinants));
  CHECK(near(frechet_distance(x, y), expected, 1e-14));
  CHECK(near(frechet_distance(y, x), expected, 1e-14));
  CHECK(std::abs(frechet_distance(x, x)) < 1e-14);
}

TEST_CASE("Frechet distance: samples, statistics and both give one number") {
  for (const int rows : {60, 9}) {  // more samples than features, and fewer
    const Matrix x = random_matrix(rows, 24, 1), y = random_matrix(rows + 5, 24, 2, 0.3);
    const FeatureStatistics of_x = metrics::statistics_of(x), of_y = metrics::statistics_of(y);
    const double of_samples = frechet_distance(x, y);
    // Few samples: singular covariances have spurious eigenvalues of 1e-16, whose roots are 1e-8.
    const double tolerance = rows > 24 ? 1e-12 : 1e-6;
    CHECK(near(frechet_distance(of_x, of_y), of_samples, tolerance));
    CHECK(near(frechet_distance(x, of_y), of_samples, tolerance));
  }
}

TEST_CASE("statistics of features are mean and covariance of n - 1") {
  Matrix x(3, 2);
  x.data = {1, 2, 3, 4, 5, 12};
  const FeatureStatistics s = metrics::statistics_of(x);
  CHECK(s.mean == std::vector<double>{3, 6});
  CHECK(s.covariance.data == std::vector<double>{4, 10, 10, 28});
  CHECK(error_of([] { metrics::statistics_of(random_matrix(1, 2, 1)); }) ==
        "a distance of distributions needs two samples or more of each, got 1");
}

TEST_CASE("kernel distance against loops") {
  const Matrix x = random_matrix(7, 5, 3), y = random_matrix(6, 5, 4, 0.5);
  const auto kernel = [](const Matrix& a, int i, const Matrix& b, int j) {
    double product = 0;
    for (int k = 0; k < 5; ++k) product += a(i, k) * b(j, k);
    return std::pow(product / 5 + 1, 3);
  };
  const std::vector<int> in_x{6, 0, 3}, in_y{1, 4, 5, 2};
  double within_x = 0, within_y = 0, between = 0;
  for (const int i : in_x)
    for (const int j : in_x)
      if (i != j) within_x += kernel(x, i, x, j) / 6;
  for (const int i : in_y)
    for (const int j : in_y)
      if (i != j) within_y += kernel(y, i, y, j) / 12;
  for (const int i : in_x)
    for (const int j : in_y) between += kernel(x, i, y, j) / 12;
  CHECK(near(kernel_distance(x, y, in_x, in_y), within_x + within_y - 2 * between, 1e-12));
  // Subsets of everything are all the same: their mean is the value of all.
  const metrics::KernelDistance all =
      metrics::kernel_distance_of_subsets(x, random_matrix(7, 5, 5), 4, 1000, 1);
  CHECK(all.size == 7);
  CHECK(all.deviation < 1e-12);
  CHECK(near(all.mean, kernel_distance(x, random_matrix(7, 5, 5)), 1e-11));
  const metrics::KernelDistance some = metrics::kernel_distance_of_subsets(x, y, 50, 3, 1);
  CHECK(some.deviation > 0.01);
  CHECK(metrics::kernel_distance_of_subsets(x, y, 50, 3, 1).mean == some.mean);
  CHECK(metrics::kernel_distance_of_subsets(x, y, 50, 3, 2).mean != some.mean);
}

TEST_CASE("published statistics are an npz of mu and sigma") {
  const FeatureStatistics s = metrics::read_statistics(TWEEDIE_TEST_DATA "/metrics/statistics.npz");
  CHECK(s.mean == std::vector<double>{0.5, -1, 2});
  CHECK(s.covariance.data == std::vector<double>{4, 1, 0, 1, 3, -0.5, 0, -0.5, 2});
  const std::string other = TWEEDIE_TEST_DATA "/numpy/stored.npz";
  CHECK(error_of([&] {
          metrics::read_statistics(other);
        }).starts_with(other + ": no statistics of features: expected the arrays mu and sigma"));
}

TEST_CASE("linear algebra: what LAPACK is asked for is what row-major matrices mean") {
  const Matrix a = random_matrix(4, 3, 7), b = random_matrix(5, 3, 8), c = random_matrix(4, 2, 9);
  const Matrix ab = product_transposed(a, b), ac = transposed_product(a, c);
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 5; ++j) {
      double sum = 0;
      for (int k = 0; k < 3; ++k) sum += a(i, k) * b(j, k);
      CHECK(std::abs(ab(i, j) - sum) < 1e-14);
    }
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 2; ++j) {
      double sum = 0;
      for (int k = 0; k < 4; ++k) sum += a(k, i) * c(k, j);
      CHECK(std::abs(ac(i, j) - sum) < 1e-14);
    }
  const Matrix s = transposed_product(b, b);
  Matrix vectors;
  const std::vector<double> values = metrics::symmetric_eigenvalues(s, &vectors);
  const std::vector<double> roots = metrics::singular_values(b);
  for (int k = 0; k < 3; ++k) {
    CHECK(near(values[std::size_t(2 - k)], roots[std::size_t(k)] * roots[std::size_t(k)], 1e-12));
    for (int i = 0; i < 3; ++i) {
      double sum = 0;
      for (int j = 0; j < 3; ++j) sum += s(i, j) * vectors(k, j);
      CHECK(std::abs(sum - values[std::size_t(k)] * vectors(k, i)) < 1e-13);
    }
  }
}

}  // namespace tweedie::test
