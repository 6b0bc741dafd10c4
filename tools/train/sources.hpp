// The kinds of training data; each `open_*` reads one kind into memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/train/data.hpp"
#include "tools/train/window.hpp"

namespace tweedie {

/// Stored pictures, with a label each or none.
struct PictureSet {
  std::vector<StoredPicture> pictures;
  std::vector<int> labels;  ///< empty, or one a picture
  int classes = 0;
  bool pad = false;         ///< what is smaller than a window is padded with -1, not refused
  std::string description;  ///< "40 photographs of photos/"
};

/// A dataset of windows of the pictures. Throws `Error` if there is none, or the channels do not fit.
std::unique_ptr<Dataset> window_dataset(PictureSet set, const DataOptions& options);

/// All PNG, JPEG and TIFF images below a folder (other files are passed over, and counted in `notes`), or the
/// one image of that path, as bytes. Where every image lies in a folder below this one, and there are several
/// of these, their names in order are the classes.
PictureSet open_photographs(const DataOptions& options, std::vector<std::string>* notes);

/// The bytes of a file, unpacked where it is compressed by gzip; at most 2 GiB. Throws `Error`, beginning
/// with the path.
std::string read_data_file(const std::string& path);

/// IDX images (of MNIST: 0x00000803, count, rows, columns, bytes), with the labels
/// of the file whose name has "labels-idx1" for "images-idx3" where that is there. Padded where a sample is
/// larger.
bool is_idx(std::string_view bytes);
PictureSet open_idx(std::string_view bytes, const DataOptions& options);

/// Slices of a NIfTI-1 volume (https://nifti.nimh.nih.gov/nifti-1), scaled by scl_slope and scl_inter. Slices
/// that show next to nothing (less than a twentieth of their pixels above a twentieth of the range) are left
/// out. Without a given range, the lowest value is -1 and the 99.9th percentile 1, what lies above is 1, too.
bool is_nifti(std::string_view bytes);
PictureSet open_nifti(std::string_view bytes, const DataOptions& options, std::vector<std::string>* notes);

/// A HDF5, .npy or .npz array of pictures: (N, H, W), (N, C, H, W) or, with C of 1 to 4, (N, H, W, C).
PictureSet open_array(const DataOptions& options);

/// Blur kernels of 64 x 64 pixels as BlindDPS' kernel prior learned them (Chung et al., CVPR 2023): five of
/// six from the path of a shaken camera (`motion_kernel`, intensity 0.2 to 1), the sixth a Gaussian of sigma
/// 0.1 to 5 about pixel (32, 32); each scaled so that 1 is its maximum, and -1 is 0. Drawn when asked for.
std::unique_ptr<Dataset> blur_kernels(const DataOptions& options);

/// Displacements of turbulent air (`tilt_map`), in pixels: 2 channels, not scaled to [-1, 1], as BlindDPS'
/// tilt prior learned them.
std::unique_ptr<Dataset> tilt_maps(const DataOptions& options);

}  // namespace tweedie
