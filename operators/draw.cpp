#include "operators/draw.hpp"

#include <algorithm>

namespace tweedie {
namespace {

/// Along one axis: `lines` lines, `other` apart, of `size` values, `stride` apart.
void smooth_axis(std::vector<double>& picture, int lines, int other, int size, int stride, double sigma) {
  const int radius = std::max(1, int(3 * sigma + 0.5));
  std::vector<double> taps, line(std::size_t(size), 0.0);
  double sum = 0;
  for (int k = -radius; k <= radius; ++k) taps.push_back(std::exp(-0.5 * k * k / (sigma * sigma)));
  for (const double tap : taps) sum += tap;
  for (int l = 0; l < lines; ++l) {
    for (int i = 0; i < size; ++i) line[std::size_t(i)] = picture[std::size_t(l * other + i * stride)];
    for (int i = 0; i < size; ++i) {
      double value = 0;
      for (int k = std::max(-radius, -i); k <= std::min(radius, size - 1 - i); ++k)
        value += taps[std::size_t(k + radius)] * line[std::size_t(i + k)] / sum;
      picture[std::size_t(l * other + i * stride)] = value;
    }
  }
}

}  // namespace

void smooth(std::vector<double>& picture, int rows, int columns, double sigma) {
  smooth_axis(picture, rows, columns, columns, 1, sigma);
  smooth_axis(picture, columns, 1, rows, columns, sigma);
}

}  // namespace tweedie
