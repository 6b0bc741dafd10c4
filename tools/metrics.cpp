#include "tools/metrics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

void require_same_size(const char* metric, const Image& x, const Image& y) {
  require(x.channels == y.channels && x.height == y.height && x.width == y.width, metric, " of a ",
          describe(x), " and a ", describe(y), " image: expected the same size");
  require_valid(x);
  require_valid(y);
}

double to_unit(float value) { return (double(value) + 1) / 2; }

std::array<double, ssim_window> gaussian_taps() {
  std::array<double, ssim_window> taps{};
  double sum = 0;
  for (int i = 0; i < ssim_window; ++i) {
    const double distance = (i - ssim_window / 2) / 1.5;
    sum += taps[std::size_t(i)] = std::exp(-distance * distance / 2);
  }
  for (double& tap : taps) tap /= sum;
  return taps;
}

/// The five local moments of a window, or of one row of it: E[x], E[y], E[x x], E[y y], E[x y].
using Moments = std::array<double, 5>;

void accumulate(Moments& sum, double weight, const Moments& term) {
  for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += weight * term[k];
}

/// One row filtered horizontally: out[j] covers the pixels j to j + 10.
void filter_row(std::vector<Moments>& out, const float* x, const float* y,
                const std::array<double, ssim_window>& taps) {
  for (std::size_t j = 0; j < out.size(); ++j) {
    Moments sum{};
    for (std::size_t i = 0; i < taps.size(); ++i) {
      const double a = to_unit(x[j + i]), b = to_unit(y[j + i]);
      accumulate(sum, taps[i], {a, b, a * a, b * b, a * b});
    }
    out[j] = sum;
  }
}

double similarity(const Moments& m) {
  constexpr double c1 = 0.01 * 0.01, c2 = 0.03 * 0.03;
  const auto [mean_x, mean_y, xx, yy, xy] = m;
  const double variances = (xx - mean_x * mean_x) + (yy - mean_y * mean_y);
  const double covariance = xy - mean_x * mean_y;
  return (2 * mean_x * mean_y + c1) * (2 * covariance + c2) /
         ((mean_x * mean_x + mean_y * mean_y + c1) * (variances + c2));
}

double channel_ssim(const float* x, const float* y, int height, int width) {
  const std::array<double, ssim_window> taps = gaussian_taps();
  const auto positions = std::size_t(width - ssim_window + 1);
  // The filtered rows under the window, as a ring: row r lies at r % 11.
  std::vector<std::vector<Moments>> rows(ssim_window, std::vector<Moments>(positions));
  double sum = 0;
  for (int r = 0; r < height; ++r) {
    const std::ptrdiff_t start = std::ptrdiff_t(r) * width;
    filter_row(rows[std::size_t(r % ssim_window)], x + start, y + start, taps);
    const int top = r - ssim_window + 1;
    if (top < 0) continue;
    for (std::size_t j = 0; j < positions; ++j) {
      Moments window{};
      for (int i = 0; i < ssim_window; ++i)
        accumulate(window, taps[std::size_t(i)], rows[std::size_t((top + i) % ssim_window)][j]);
      sum += similarity(window);
    }
  }
  return sum / (double(height - ssim_window + 1) * double(positions));
}

}  // namespace

double mse(const Image& x, const Image& y) {
  require_same_size("mse", x, y);
  double sum = 0;
  for (std::size_t i = 0; i < x.data.size(); ++i) {
    const double difference = to_unit(x.data[i]) - to_unit(y.data[i]);
    sum += difference * difference;
  }
  return sum / double(x.data.size());
}

double psnr(const Image& x, const Image& y) {
  const double error = mse(x, y);
  return error == 0 ? std::numeric_limits<double>::infinity() : -10 * std::log10(error);
}

double ssim(const Image& x, const Image& y) {
  require_same_size("ssim", x, y);
  require(std::min(x.height, x.width) >= ssim_window, "ssim of a ", describe(x), " image: expected at least ",
          ssim_window, " pixels a side, the size of its window");
  double sum = 0;
  for (int c = 0; c < x.channels; ++c) {
    const std::ptrdiff_t plane = std::ptrdiff_t(c) * x.height * x.width;
    sum += channel_ssim(x.data.data() + plane, y.data.data() + plane, x.height, x.width);
  }
  return sum / x.channels;
}

}  // namespace tweedie
