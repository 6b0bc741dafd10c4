#include "tools/metrics/kernel_match.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/error.hpp"

namespace tweedie::metrics {
namespace {

double norm(const std::vector<double>& v) {
  return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
}

double scaled_mse(const char* what, const Matrix& a, const Matrix& b, double scale_a, double scale_b) {
  require(a.rows == b.rows && a.columns == b.columns && !a.data.empty(), "mse of kernels of ", a.rows, "x",
          a.columns, " and ", b.rows, "x", b.columns, " taps: expected one size");
  require(scale_a > 0 && scale_b > 0 && std::isfinite(scale_a) && std::isfinite(scale_b),
          "mse of kernels: expected kernels of a positive ", what, ", got ", scale_a, " and ", scale_b);
  double sum = 0;
  for (std::size_t i = 0; i < a.data.size(); ++i) {
    const double difference = a.data[i] / scale_a - b.data[i] / scale_b;
    sum += difference * difference;
  }
  return sum / double(a.data.size());
}

double sum_of(const Matrix& a) { return std::accumulate(a.data.begin(), a.data.end(), 0.0); }
double maximum_of(const Matrix& a) {
  return a.data.empty() ? 0 : *std::max_element(a.data.begin(), a.data.end());
}

}  // namespace

KernelMatch match(const Matrix& a, const Matrix& b) {
  const double length = norm(a.data) * norm(b.data);
  require(length > 0 && std::isfinite(length), "match of kernels: one is empty, all zero or not finite");
  KernelMatch best{-1};
  for (int down = 1 - a.rows; down < b.rows; ++down)
    for (int right = 1 - a.columns; right < b.columns; ++right) {
      double sum = 0;
      for (int i = std::max(0, -down); i < std::min(a.rows, b.rows - down); ++i)
        for (int j = std::max(0, -right); j < std::min(a.columns, b.columns - right); ++j)
          sum += a(i, j) * b(i + down, j + right);
      if (sum / length > best.mnc) best = {sum / length, down, right};
    }
  return best;
}

double mse_of_unit_sum(const Matrix& a, const Matrix& b) {
  return scaled_mse("sum", a, b, sum_of(a), sum_of(b));
}

double mse_of_unit_maximum(const Matrix& a, const Matrix& b) {
  return scaled_mse("maximum", a, b, maximum_of(a), maximum_of(b));
}

DataMisfit data_misfit(double norm, std::int64_t m, double sigma) {
  require(m > 0 && sigma > 0, "misfit of ", m, " numbers with noise ", sigma);
  const double square = norm * norm, of_noise = double(m) * sigma * sigma;
  return {norm, norm / std::sqrt(double(m)), square / of_noise, square - of_noise};
}

}  // namespace tweedie::metrics
