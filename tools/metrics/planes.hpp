// Images as metrics know them: planes of doubles on a scale of 0 to 1.
#pragma once

#include <cstddef>
#include <vector>

#include "tools/image.hpp"

namespace tweedie::metrics {

/// Values (channels, height, width), row-major. Nominally in [0, 1]; values beyond count as they are.
struct Planes {
  int channels = 1, height = 0, width = 0;
  std::vector<double> data;
  std::size_t plane() const { return std::size_t(height) * std::size_t(width); }
};

/// An image of [-1, 1] on the scale of 0 to 1.
Planes planes_of(const Image& image);
/// Every value held to [0, 1], as in a written file.
Planes clipped(Planes image);
/// 0.299 R + 0.587 G + 0.114 B of three channels, or the one channel there is.
Planes luma(const Planes& image);

/// Throws `Error` naming the metric unless both have the same size and as much data as it says.
void require_same_size(const char* metric, const Planes& x, const Planes& y);

}  // namespace tweedie::metrics
