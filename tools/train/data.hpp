// Training data: what a network learns from, drawn sample by sample.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tweedie {

/// What to learn from, and how a sample is made of it.
struct DataOptions {
  /// A folder of photographs; a file of IDX images, NIfTI volumes, a HDF5, .npy or .npz array, or one picture
  /// (all recognised by their content); or what is generated: "blur-kernels", "tilt-maps".
  std::string source;
  std::string dataset;  ///< the array's name in a HDF5 or .npz file; may be left out where there is only one
  int size = 64;        ///< samples are size x size
  int channels = 3;     ///< 1, 3, or as many as an array has; gray and RGB are converted into each other
  /// A sample shows a window of size * f pixels, reduced by f with antialiasing; f is drawn from this range
  /// (both from 1 on), evenly in its logarithm.
  double min_shrink = 1, max_shrink = 1;
  bool flip = true;    ///< mirror every other sample horizontally
  double jitter = 0;   ///< change brightness, contrast and saturation by up to this share, 0 to 1
  double gray = 0;     ///< the share of colour samples that is shown in gray
  int slice_axis = 2;  ///< of a volume (NIfTI): its slices lie across this axis, 0 to 2
  /// The values that become -1 and 1. Left out: 0 and 255 for bytes, else the array's own extremes.
  std::optional<std::pair<double, double>> range;
  std::vector<std::string> stated;  ///< options that a command line gave; one without use is refused
};

/// Samples to learn from. Safe to use from several threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;

  /// Every sample is (channels, height, width).
  virtual int channels() const = 0;
  virtual int height() const = 0;
  virtual int width() const = 0;
  /// How many classes the labels name; 0 where samples have no label.
  virtual int classes() const { return 0; }
  /// One line for people: what there is, how much, and how its values become [-1, 1].
  virtual std::string describe() const = 0;

  /// Fills `x` with the sample of that index, row-major, in [-1, 1] (tilt maps: in pixels), and returns its
  /// label, 0 to classes() - 1 (0 without labels). The same for the same seed and index, on any thread. All
  /// stored items come once, in another order, before any comes again.
  virtual int draw(std::span<float> x, std::uint64_t seed, std::uint64_t index) const = 0;
};

/// Opens what the options name. Stored items are decoded once, and kept. Throws `Error` in one line: an
/// option out of its range; a file that is missing, damaged or of no known kind; images that cannot be read
/// or are smaller than a sample (the first by its path, with the number of the others). Remarks on
/// ignored parts of files are added to `notes`.
std::unique_ptr<Dataset> open_dataset(const DataOptions& options, std::vector<std::string>* notes = nullptr);

}  // namespace tweedie
