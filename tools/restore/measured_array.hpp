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

/// Reads the array (.npy, .npz, HDF5 or TIFF; real numbers), (height, width) or (channels, height, width):
/// - magnitudes of a Fourier transform, as `PhaseRetrieval` measures them: orthonormal, frequency 0 in the
///   middle;
/// - a sinogram, (angles, detectors): line integrals of something that is nowhere negative, in any unit. An
///   image x in [-1, 1] stands for m = s (x + 1) / 2, s being what filtered backprojection reaches with all
///   but 0.1 % of its pixels, so that black is nothing. The measurement, linear in m, becomes that of x:
///   y = 2 p / s - A 1. The image is a square with a side of as many pixels as there are detectors. What the
///   settings say of the number of angles or detectors must be so.
/// The operator is `op`, and `notes` says what was supposed. Errors: another shape; values that are not
/// finite; magnitudes below 0; a sinogram of nothing.
Measurement read_measured_array(Context& context, const std::string& path, OperatorDescription op,
                                std::vector<std::string>& notes);

}  // namespace tweedie
