#include "tools/metrics/distributions.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/error.hpp"
#include "weights/npy_file.hpp"

namespace tweedie::metrics {
namespace {

std::vector<double> mean_of(const Matrix& features) {
  require(features.rows > 1, "a distance of distributions needs two samples or more of each, got ",
          features.rows);
  std::vector<double> mean(std::size_t(features.columns));
  for (int i = 0; i < features.rows; ++i)
    for (int j = 0; j < features.columns; ++j) mean[std::size_t(j)] += features(i, j);
  for (double& value : mean) value /= features.rows;
  return mean;
}

Matrix centred(Matrix features, const std::vector<double>& mean) {
  for (int i = 0; i < features.rows; ++i)
    for (int j = 0; j < features.columns; ++j) features(i, j) -= mean[std::size_t(j)];
  return features;
}

double trace(const Matrix& a) {
  double sum = 0;
  for (int i = 0; i < a.rows; ++i) sum += a(i, i);
  return sum;
}

double squares(const Matrix& a) {
  return std::inner_product(a.data.begin(), a.data.end(), a.data.begin(), 0.0);
}

double sum_of_roots(const std::vector<double>& eigenvalues) {
  double sum = 0;
  for (const double value : eigenvalues) sum += std::sqrt(std::max(value, 0.0));  // below 0 by rounding only
  return sum;
}

double squared_distance(const std::vector<double>& x, const std::vector<double>& y) {
  require(x.size() == y.size(), "Frechet distance of ", x.size(), " and of ", y.size(), " features");
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
  return sum;
}

double kernel(double product, double features) {
  const double base = product / features + 1;
  return base * base * base;
}

// The mean of the kernel over pairs of different rows.
double mean_of_pairs(const Matrix& x) {
  const Matrix products = product_transposed(x, x);
  double sum = 0;
  for (int i = 0; i < x.rows; ++i)
    for (int j = 0; j < x.rows; ++j)
      if (i != j) sum += kernel(products(i, j), x.columns);
  return sum / (double(x.rows) * (x.rows - 1));
}

Matrix rows_of(const Matrix& x, const std::vector<int>& rows) {
  Matrix part(int(rows.size()), x.columns);
  for (std::size_t k = 0; k < rows.size(); ++k) {
    require(rows[k] >= 0 && rows[k] < x.rows, "row ", rows[k], " of ", x.rows, " samples");
    std::copy_n(x.data.begin() + std::ptrdiff_t(rows[k]) * x.columns, x.columns,
                part.data.begin() + std::ptrdiff_t(k) * x.columns);
  }
  return part;
}

// The first `count` of a shuffle of 0 ... n - 1. Not std::shuffle, whose draws differ between libraries.
std::vector<int> draw(int n, int count, std::mt19937_64& random) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  for (int k = 0; k < count; ++k)
    std::swap(all[std::size_t(k)], all[std::size_t(k) + std::size_t(random() % std::uint64_t(n - k))]);
  all.resize(std::size_t(count));
  return all;
}

}  // namespace

FeatureStatistics statistics_of(const Matrix& features) {
  FeatureStatistics s{mean_of(features), {}};
  const Matrix deviations = centred(features, s.mean);
  s.covariance = transposed_product(deviations, deviations);
  for (double& value : s.covariance.data) value /= features.rows - 1;
  return s;
}

FeatureStatistics read_statistics(const std::string& path) {
  const NpzFile file(path);
  require(file.has("mu") && file.has("sigma"), path,
          ": no statistics of features: expected the arrays mu and sigma, as pytorch-fid --save-stats writes "
          "them");
  const NpyArray mu = file.read("mu"), sigma = file.read("sigma");
  const auto features = mu.shape().empty() ? 0 : mu.shape()[0];
  require(mu.shape().size() == 1 && features > 0 && features < (1 << 15) &&
              sigma.shape() == Extents{features, features},
          path, ": mu ", to_string(mu.shape()), " and sigma ", to_string(sigma.shape()),
          " are not the mean and covariance of one set of features");
  FeatureStatistics s{mu.doubles(), Matrix(int(features), int(features))};
  s.covariance.data = sigma.doubles();
  for (const std::vector<double>* values : {&s.mean, &s.covariance.data})
    require(std::all_of(values->begin(), values->end(), [](double v) { return std::isfinite(v); }), path,
            ": its statistics are not all finite");
  return s;
}

double frechet_distance(const FeatureStatistics& x, const FeatureStatistics& y) {
  const double means = squared_distance(x.mean, y.mean);
  Matrix vectors;
  std::vector<double> roots = symmetric_eigenvalues(x.covariance, &vectors);
  for (double& value : roots) value = std::sqrt(std::max(value, 0.0));
  // In the eigenvectors' basis Sx^(1/2) is diagonal: R = diag(roots) V Sy V^T diag(roots).
  Matrix r = product_transposed(product_transposed(vectors, y.covariance), vectors);
  for (int i = 0; i < r.rows; ++i)
    for (int j = 0; j < r.columns; ++j) r(i, j) *= roots[std::size_t(i)] * roots[std::size_t(j)];
  return means + trace(x.covariance) + trace(y.covariance) - 2 * sum_of_roots(symmetric_eigenvalues(r));
}

double frechet_distance(const Matrix& x, const Matrix& y) {
  if (std::min(x.rows, y.rows) >= x.columns) return frechet_distance(statistics_of(x), statistics_of(y));
  const std::vector<double> mean_x = mean_of(x), mean_y = mean_of(y);
  const double means = squared_distance(mean_x, mean_y);
  const Matrix of_x = centred(x, mean_x), of_y = centred(y, mean_y);
  const std::vector<double> values = singular_values(product_transposed(of_x, of_y));
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  const double nx = x.rows - 1, ny = y.rows - 1;
  return means + squares(of_x) / nx + squares(of_y) / ny - 2 * sum / std::sqrt(nx * ny);
}

double frechet_distance(const Matrix& x, const FeatureStatistics& y) {
  if (x.rows >= x.columns) return frechet_distance(statistics_of(x), y);
  const std::vector<double> mean = mean_of(x);
  const double means = squared_distance(mean, y.mean);
  const Matrix of_x = centred(x, mean);
  Matrix gram = product_transposed(product_transposed(of_x, y.covariance), of_x);
  for (double& value : gram.data) value /= x.rows - 1;
  return means + squares(of_x) / (x.rows - 1) + trace(y.covariance) -
         2 * sum_of_roots(symmetric_eigenvalues(gram));
}

double kernel_distance(const Matrix& x, const Matrix& y) {
  require(x.columns == y.columns, "kernel distance of ", x.columns, " and of ", y.columns, " features");
  require(x.rows > 1 && y.rows > 1, "a kernel distance needs two samples or more of each, got ", x.rows,
          " and ", y.rows);
  const Matrix products = product_transposed(x, y);
  double sum = 0;
  for (const double product : products.data) sum += kernel(product, x.columns);
  return mean_of_pairs(x) + mean_of_pairs(y) - 2 * sum / (double(x.rows) * y.rows);
}

double kernel_distance(const Matrix& x, const Matrix& y, const std::vector<int>& in_x,
                       const std::vector<int>& in_y) {
  return kernel_distance(rows_of(x, in_x), rows_of(y, in_y));
}

KernelDistance kernel_distance_of_subsets(const Matrix& x, const Matrix& y, int subsets, int size,
                                          std::uint64_t seed) {
  require(subsets > 0, "kernel distance over ", subsets, " subsets");
  std::mt19937_64 random(seed);
  KernelDistance result{0, 0, subsets, std::min({x.rows, y.rows, size})};
  std::vector<double> values;
  for (int k = 0; k < subsets; ++k) {
    const std::vector<int> in_x = draw(x.rows, result.size, random);
    values.push_back(kernel_distance(x, y, in_x, draw(y.rows, result.size, random)));
  }
  result.mean = std::accumulate(values.begin(), values.end(), 0.0) / subsets;
  double squares_of_deviations = 0;
  for (const double value : values) squares_of_deviations += (value - result.mean) * (value - result.mean);
  result.deviation = std::sqrt(squares_of_deviations / subsets);
  return result;
}

}  // namespace tweedie::metrics
