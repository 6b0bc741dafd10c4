// A slice of a fastMRI file as an inverse problem on [-1, 1] images.
#pragma once

#include "operators/measurement.hpp"

namespace tweedie {

/// Whether this file is HDF5 and holds k-space in that layout, or a .npy file of complex numbers.
bool is_fastmri(const std::string& path);

/// Reads a slice; where the file has no sensitivities they are estimated. A file without a mask is fully
/// sampled: its slice is undersampled as `asked` says, drawn by `seed`, and its own image is the truth. But
/// where columns between measured ones are 0 in all coils, it was filled with zeros: the others are its mask,
/// and a note says so. (Zeros at the edges alone are the padding of fastMRI's own files.) An image x in
/// [-1, 1] stands for the magnitude m = s (x + 1) / 2, s the largest one of the image that is known (of all
/// of k-space, or zero-filled), so that black is nothing; the measurement, linear in m, becomes that of x: y
/// = 2 k / s - A 1. Errors: see operators/fastmri.hpp; the slice is empty; an operator of complex images; a
/// way to undersample stated for a file that is undersampled.
ForeignMeasurement fastmri_measurement(Context& context, const std::string& path, int slice,
                                       const OperatorDescription& asked, std::uint64_t seed);

}  // namespace tweedie
