// A measurement as numbers, with what is needed to restore it again.
#pragma once

#include <string>

#include "engine/context.hpp"
#include "operators/factory.hpp"

namespace tweedie {

/// Contents of measurement.h5: datasets `measurement` (1, C, H, W), `mask`, `kernel`, `sensitivity` where
/// there is one; attributes `operator` (JSON, as `make_operator` takes it) and `image` (JSON: [C, H, W] of
/// the image).
struct Measurement {
  Tensor y;
  Shape image;  ///< N = 1
  nlohmann::json settings;
  OperatorData data;
};

/// Errors: not such a file; values that are not finite.
Measurement read_measurement(Context& context, const std::string& path);
/// Whole or not at all.
void write_measurement(Context& context, const std::string& path, const Measurement& measurement);

}  // namespace tweedie
