// Sinograms that other programs wrote.
#pragma once

#include <string>
#include <vector>

#include "operators/measurement.hpp"
#include "tools/arrays.hpp"

namespace tweedie {

/// Makes line integrals, (channels, angles, detectors), of a sinogram file's numbers, and states in `op` how
/// many angles and detectors there are. `reading` says whether the file is transposed, and the intensity I0
/// with nothing in the way: then numbers I are intensities, and the integrals are -log(I / I0), I being at
/// least the smallest above 0. Notes: such values; views that look like columns instead of rows; numbers that
/// look like intensities although `reading` says nothing. Errors: other numbers of angles or detectors than
/// are stated; no intensity above 0.
void read_sinogram(Array& array, OperatorDescription& op, const Settings& reading,
                   std::vector<std::string>& notes);

/// Makes the measurement of an image in [-1, 1] of line integrals in any unit, of something that is nowhere
/// negative: an image x stands for m = s (x + 1) / 2, s being what filtered backprojection reaches with all
/// but 0.1 % of its pixels, so that black is nothing. The measurement is linear in m: y = 2 p / s - A 1. The
/// image is a square with a side of as many pixels as there are detectors. Notes: s. Errors: backprojection
/// is nowhere positive.
void take_sinogram(Context& context, Measurement& m, const std::string& path,
                   std::vector<std::string>& notes);

}  // namespace tweedie
