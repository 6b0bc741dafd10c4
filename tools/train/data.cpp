#include "tools/train/data.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "kernels/error.hpp"
#include "tools/arrays.hpp"
#include "tools/files.hpp"
#include "tools/image.hpp"
#include "tools/train/gunzip.hpp"
#include "tools/train/sources.hpp"

namespace tweedie {
namespace {

void check(const DataOptions& options) {
  require(!options.source.empty(), "training data: no source is named");
  require(options.size > 0 && options.size <= 4096, "training data: samples of ", options.size,
          " pixels, expected 1 to 4096");
  require(options.channels > 0 && options.channels <= 16, "training data: ", options.channels,
          " channels, expected 1 to 16");
  require(options.min_shrink >= 1 && options.max_shrink >= options.min_shrink && options.max_shrink <= 1024,
          "training data: shrinking by ", options.min_shrink, " to ", options.max_shrink,
          ", expected two factors from 1 on, the smaller one first");
  require(options.jitter >= 0 && options.jitter <= 1, "training data: jitter ", options.jitter,
          ", expected 0 to 1");
  require(options.gray >= 0 && options.gray <= 1, "training data: a share of ", options.gray,
          " in gray, expected 0 to 1");
  require(options.slice_axis >= 0 && options.slice_axis <= 2, "training data: slices across axis ",
          options.slice_axis, ", expected 0 to 2");
  if (options.range) {
    const auto [low, high] = *options.range;
    require(std::isfinite(low) && std::isfinite(high) && low < high, "training data: values of ", low, " to ",
            high, ", expected the lower one first");
  }
}

/// Errors: one of these options was given; they change nothing about data of this kind.
void require_unstated(const DataOptions& options, const std::string& kind,
                      std::initializer_list<std::string_view> useless) {
  for (const std::string& option : options.stated)
    require(std::find(useless.begin(), useless.end(), option) == useless.end(), option, " means nothing to ",
            options.source, ", which is ", kind);
}

}  // namespace

std::string read_data_file(const std::string& path) {
  constexpr std::size_t most = std::size_t(2) << 30;
  const std::string bytes = read_file(path, most);
  return is_gzip(bytes) ? gunzip(bytes, path, most) : bytes;
}

std::unique_ptr<Dataset> open_dataset(const DataOptions& options, std::vector<std::string>* notes) {
  check(options);
  if (options.channels != 3) require_unstated(options, "to have no colours", {"--gray"});
  if (options.source == "blur-kernels" || options.source == "tilt-maps")
    require_unstated(
        options, "generated",
        {"--dataset", "--slice-axis", "--min-shrink", "--max-shrink", "--flip", "--jitter", "--gray"});
  if (options.source == "blur-kernels") return blur_kernels(options);
  if (options.source == "tilt-maps") return tilt_maps(options);
  namespace fs = std::filesystem;
  std::error_code failure;
  const bool exists = fs::exists(options.source, failure);
  require(exists, options.source,
          ": no such file or folder, and not generated data, which is blur-kernels or tilt-maps");
  if (fs::is_directory(options.source) || is_image_file(options.source)) {
    require_unstated(options, "of pictures", {"--dataset", "--slice-axis"});
    return window_dataset(open_photographs(options, notes), options);
  }
  if (is_array_file(options.source)) {
    require_unstated(options, "an array", {"--slice-axis"});
    return window_dataset(open_array(options), options);
  }
  const std::string bytes = read_data_file(options.source);
  if (is_idx(bytes)) {
    require_unstated(options, "of IDX images", {"--dataset", "--slice-axis"});
    return window_dataset(open_idx(bytes, options), options);
  }
  if (is_nifti(bytes)) {
    require_unstated(options, "a NIfTI volume", {"--dataset"});
    return window_dataset(open_nifti(bytes, options, notes), options);
  }
  throw Error(
      options.source +
      ": not a folder, an image, or a file of IDX images, NIfTI, HDF5 or NumPy (the first two may be .gz)");
}

}  // namespace tweedie
