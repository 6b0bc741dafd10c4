// measurement.h5: a measurement as numbers, with what is needed to restore it again.
#pragma once

#include <string>

#include "operators/measurement.hpp"

namespace tweedie {

// Contents: datasets `measurement` (1, C, H, W) and the operator's arrays by their names, where there are
// any; attributes `operator` (JSON, as `describe_operator` takes it), `image` (JSON: [C, H, W] of the image)
// and `noise` (JSON, as `parse_noise` takes it), where it is known.

/// Whether a file, by its content, is one of these. False for what is no file.
bool is_measurement(const std::string& path);
/// Errors: not such a file; values that are not finite; of a picture, values that are in other units than
/// those of [-1, 1] images.
Measurement read_measurement(Context& context, const std::string& path);
/// Whole or not at all.
void write_measurement(Context& context, const std::string& path, const Measurement& measurement);

}  // namespace tweedie
