// A measurement as numbers, with what is needed to restore it again.
#pragma once

#include <optional>
#include <string>

#include "engine/context.hpp"
#include "operators/factory.hpp"
#include "operators/noise.hpp"

namespace tweedie {

/// Contents of measurement.h5: datasets `measurement` (1, C, H, W), `mask`, `kernel`, `sensitivity` where
/// there is one; attributes `operator` (JSON, as `make_operator` takes it), `image` (JSON: [C, H, W] of the
/// image) and `noise` (JSON, as `parse_noise` takes it), where it is known.
struct Measurement {
  Tensor y;
  Shape image;  ///< N = 1
  nlohmann::json settings;
  std::optional<Noise> noise;
  OperatorData data;
};

/// By its content; false for what is no file.
bool is_hdf5(const std::string& path);
/// Whether an HDF5 file is one of these.
bool is_measurement(const std::string& path);
/// Errors: not such a file; values that are not finite.
Measurement read_measurement(Context& context, const std::string& path);
/// Whole or not at all.
void write_measurement(Context& context, const std::string& path, const Measurement& measurement);

}  // namespace tweedie
