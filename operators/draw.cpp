#include "operators/draw.hpp"

#include <algorithm>

namespace tweedie {
namespace {

/// Along one axis; `stride` is the distance of neighbours, `other` that of the lines.
void smooth_axis(std::vector<double>& picture, int size, int stride, int other, double sigma) {
  const int radius = std::max(1, int(3 * sigma + 0.5));
  std::vector<double> taps, line(std::size_t(size), 0.0);
  double sum = 0;
  for (int k = -radius; k <= radius; ++k) taps.push_back(std::exp(-0.5 * k * k / (sigma * sigma)));
  for (const double tap : taps) sum += tap;
  for (int l = 0; l < size; ++l) {
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

void smooth(std::vector<double>& picture, int size, double sigma) {
  smooth_axis(picture, size, 1, size, sigma);
  smooth_axis(picture, size, size, 1, sigma);
}

}  // namespace tweedie
