// k-space files in the layout of the fastMRI data set (Zbontar et al. 2018, fastmri.org).
#pragma once

#include <string>
#include <vector>

#include "engine/context.hpp"

namespace tweedie {

/// One slice of such a file; all planar.
struct FastMriSlice {
  int coils = 0, H = 0, W = 0;  ///< of k-space
  /// (1, 2 coils, H, W), centred: what a CartesianMri of complex images measures. In the file's units, some
  /// 1e-4 in fastMRI's own: priors of [-1, 1] images want it scaled.
  std::vector<float> kspace;
  std::vector<float> mask;         ///< W zeros and ones: the columns measured; empty where the file has none
  std::vector<float> sensitivity;  ///< (coils, 2, H, W); empty where the file has none
  /// The file's own reconstruction, (truth_H, truth_W): magnitudes of the image's middle, in k-space's units.
  /// Empty where there is none.
  std::vector<float> truth;
  int truth_H = 0, truth_W = 0;
};

/// Whether the path leads to a .npy file of complex numbers. Errors: a .npy file that is damaged.
bool holds_kspace_npy(const std::string& path);

/// Number of slices of a file. Errors as for `read_fastmri`.
int fastmri_slices(const std::string& path);

/// Reads a slice of an HDF5 file with the data sets
/// - `kspace`: complex, a compound {r, i} as h5py writes it: (slices, coils, H, W), or (slices, H, W) for one
///   coil;
/// - `mask` (optional): W numbers or truth values;
/// - `sensitivity_maps` (optional): complex, of k-space's shape;
/// - `reconstruction_rss` or `reconstruction_esc` (optional): (slices, h, w).
/// Or of a .npy file of complex numbers, which is k-space alone: (slices, coils, H, W), (coils, H, W) or (H,
/// W); frequency 0 is in the middle here, too.
/// Errors, in one line that begins with the path: neither, `kspace` missing, another type or shape, a slice
/// out of range, NaN or infinity.
FastMriSlice read_fastmri(const std::string& path, int slice);

/// The coils' sensitivities from the middle of a slice's own k-space, (coils, 2, H, W): the square of entries
/// about frequency 0 whose columns were all measured (by the mask; without one, by not being 0), at most 25
/// wide, is windowed (Hann) and transformed to images of low resolution, and these are divided by the root of
/// their sum of squares (McKenzie et al. 2002; Roemer et al. 1990), so that sum_k |s_k|^2 = 1. Where no coil
/// sees anything, they are 0. The image's phase is left in them: what is restored with them is nearly real.
/// Errors, beginning with `what`: fewer than 3 columns about frequency 0.
Tensor estimate_sensitivity(Context& context, const FastMriSlice& slice, const std::string& what = "fastMRI");

}  // namespace tweedie
