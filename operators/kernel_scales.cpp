#include "operators/kernel_scales.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/resample.hpp"

namespace tweedie {
namespace {

constexpr double smallest_sigma = 0.01;
constexpr int smallest_side = 32;

/// Taps of a kernel of half the size: its middle, and half of each arm, rounded up.
int half_of(int taps) { return 2 * ((taps / 2 + 1) / 2) + 1; }

/// A line through the taps of one axis at a position of the doubled kernel: two taps and the second's share.
struct Between {
  int first;
  double share;
  Between(int at, int to, int from) {
    const double position = (at - (to - 1) / 2) / 2.0 + (from - 1) / 2;
    first = int(std::floor(position));
    share = position - first;
  }
};

}  // namespace

int scale_count(const Shape& image, const Shape& kernel, int most, int unit) {
  require(most >= 1 && unit >= 1, "kernel scales: at most ", most, " of sides that are multiples of ", unit,
          "; expected 1 or more of both");
  int count = 1;
  int H = image.H, W = image.W, rows = half_of(kernel.H), columns = half_of(kernel.W);
  for (; count < most; H /= 2, W /= 2, rows = half_of(rows), columns = half_of(columns), ++count)
    if (H % (2 * unit) || W % (2 * unit) || std::min(H, W) < 2 * smallest_side || rows > H / 2 ||
        columns > W / 2)
      break;
  return count;
}

std::vector<KernelScale> kernel_scales(Context& context, Tensor y, const KernelMapOptions& kernel, int most,
                                       int unit) {
  const int count = scale_count(y.shape(), {1, 1, kernel.rows, kernel.columns}, most, unit);
  std::vector<KernelScale> scales{{std::move(y), kernel}};
  while (int(scales.size()) < count) {
    const Shape s = scales.back().y.shape();
    KernelMapOptions half = scales.back().kernel;
    half.rows = half_of(half.rows), half.columns = half_of(half.columns);
    half.sigma = std::max(half.sigma / 2, std::min(half.sigma, smallest_sigma));
    Tensor average = context.planar({s.N, s.C, s.H / 2, s.W / 2});
    average_pool2(context.queue, average.view(), scales.back().y.view());
    scales.push_back({std::move(average), half});
  }
  std::reverse(scales.begin(), scales.end());
  return scales;
}

double kernel_width(std::span<const float> kernel, int rows, int columns) {
  double sum = 0, row = 0, column = 0, square = 0;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      const double k = kernel[std::size_t(i * columns + j)];
      sum += k, row += k * i, column += k * j, square += k * (double(i) * i + double(j) * j);
    }
  if (!(sum > 0)) return 0;
  row /= sum, column /= sum;
  return std::sqrt(std::max(0.5 * (square / sum - row * row - column * column), 0.0));
}

// On the host: a kernel is small, and this is done once a scale.
Tensor doubled_kernel(Context& context, const Tensor& kernel, int rows, int columns) {
  const Shape s = kernel.shape();
  require(s.H % 2 == 1 && s.W % 2 == 1 && rows % 2 == 1 && columns % 2 == 1, "kernel ", s, ", doubled to ",
          rows, " x ", columns, ": expected odd sides, which have a middle");
  const std::vector<float> values = context.download(kernel);
  const auto tap = [&](int i, int j) {
    return i >= 0 && i < s.H && j >= 0 && j < s.W ? double(values[std::size_t(i * s.W + j)]) : 0.0;
  };
  std::vector<double> doubled;
  double total = 0;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      const Between r(i, rows, s.H), c(j, columns, s.W);
      const auto along = [&](int row) {
        return (1 - c.share) * tap(row, c.first) + c.share * tap(row, c.first + 1);
      };
      doubled.push_back((1 - r.share) * along(r.first) + r.share * along(r.first + 1));
      total += doubled.back();
    }
  std::vector<float> scaled;
  for (const double value : doubled) scaled.push_back(float(value / total));
  return context.upload({1, 1, rows, columns}, scaled);
}

}  // namespace tweedie
