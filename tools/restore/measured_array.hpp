// Measurements that other programs wrote as plain arrays of numbers.
#pragma once

#include <string>
#include <vector>

#include "operators/measurement.hpp"
#include "tools/restore/options.hpp"

namespace tweedie {

/// Whether the task's measurement is given as a plain array: no picture is measured, and the file is neither
/// the measurement.h5 of another run nor one that the operator's row reads by itself.
bool is_measured_array(const Options& options);

/// Whether the measurement's file says by itself what was measured: any other HDF5 file, and those that the
/// operator's row reads.
bool is_described(const Options& options);

/// Reads the array (.npy, .npz, HDF5 or TIFF; a sinogram also PNG; real numbers), (height, width) or
/// (channels, height, width):
/// - magnitudes of a Fourier transform, as `PhaseRetrieval` measures them: orthonormal, frequency 0 in the
///   middle;
/// - a sinogram: see `read_sinogram` and `take_sinogram`.
/// The operator is that of `asked`, and `notes` says what was supposed. Errors: another shape; values that
/// are not finite; magnitudes below 0; a sinogram of nothing.
Measurement read_measured_array(Context& context, const std::string& path, const Asked& asked,
                                std::vector<std::string>& notes);

}  // namespace tweedie
