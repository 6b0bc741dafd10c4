// The pictures of a restoration.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/restore/problem.hpp"

namespace tweedie {

/// Writes original.png (when known), measurement.png, restored.png, comparison.png (original, measurement or
/// what it makes, restored) and, of several samples, sample_K.png and standard_deviation.png (0 to its
/// maximum), into an existing folder, from which pictures of these names by an earlier run are removed.
/// `restored` is the sample, or the mean of several.
void write_pictures(const std::string& folder, const std::optional<Image>& original, const Views& views,
                    const Image& restored, const std::vector<Image>& samples);

/// The nearest pixels of x on a grid of another size.
Image resized(const Image& x, int height, int width);

}  // namespace tweedie
