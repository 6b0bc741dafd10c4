// A slice of a fastMRI file as an inverse problem on [-1, 1] images.
#pragma once

#include <optional>

#include "tools/image.hpp"
#include "tools/restore/measurement_file.hpp"

namespace tweedie {

/// Whether this HDF5 file holds k-space in that layout.
bool is_kspace(const std::string& path);

struct KSpace {
  Measurement measurement;
  std::optional<Image> original;  ///< of all of k-space, where the file has all of it
};

/// Reads a slice; where the file has no sensitivities they are estimated. A file without a mask is fully
/// sampled: its slice is undersampled as the task's operator says, and its own image is the original. An
/// image x in [-1, 1] stands for the magnitude m = s (x + 1) / 2, s the largest one of the image that is
/// known (of all of k-space, or zero-filled), so that black is nothing; the measurement, linear in m, becomes
/// that of x: y = 2 k / s - A 1. `stated`: whether the user said how to undersample. Errors: see
/// operators/fastmri.hpp; the slice is empty; an operator of complex images; a way to undersample stated for
/// a file that has a mask.
KSpace read_kspace(Context& context, const std::string& path, int slice, const nlohmann::json& settings,
                   bool stated);

}  // namespace tweedie
