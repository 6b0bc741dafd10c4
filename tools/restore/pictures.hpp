// The pictures of a restoration.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/restore/problem.hpp"

namespace tweedie {

/// Writes original.png (when known), measurement.png, restored.png, comparison.png (original, measurement or
/// what it makes, restored) and, of several samples, sample_K.png and standard_deviation.png (0 to its
/// maximum), into an existing folder; their names are the result. `restored` is the sample, or the mean of
/// several.
std::vector<std::string> write_pictures(const std::string& folder, const std::optional<Image>& original,
                                        const Views& views, const Image& restored,
                                        const std::vector<Image>& samples);

/// Errors: a file that this run is given is one that it will write.
void require_inputs_survive(const Options& options);

/// The names of the pictures that an earlier run has written into this folder, by its report.json; none where
/// there is no such report.
std::vector<std::string> earlier_pictures(const std::string& folder);

/// Removes pictures of an earlier run, which would be taken for this one's, but for those written again and
/// those that this run was given, or whose measurement; the names of the latter are the result. Errors: one
/// cannot be removed.
std::vector<std::string> remove_earlier_pictures(const Options& options,
                                                 const std::vector<std::string>& earlier,
                                                 const std::vector<std::string>& written);

/// The nearest pixels of x on a grid of another size.
Image resized(const Image& x, int height, int width);

}  // namespace tweedie
