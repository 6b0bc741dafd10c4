// The pictures of a restoration.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/image.hpp"

namespace tweedie {

struct Pictures {
  Image before;    ///< the measurement at the image's size: itself, or enlarged pixel by pixel
  Image restored;  ///< the sample, or the mean of several
};

/// Writes original.png (when known), measurement.png, restored.png, comparison.png (original, before,
/// restored) and, of several samples, sample_K.png and standard_deviation.png (0 to its maximum), into an
/// existing folder.
Pictures write_pictures(const std::string& folder, const std::optional<Image>& original,
                        const Image& measurement, const std::vector<Image>& samples);

}  // namespace tweedie
