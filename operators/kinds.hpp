// What an operator says of itself: one row each, beside its class. Programs know operators by these rows
// alone.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "engine/settings.hpp"

namespace tweedie {

struct OperatorDescription;
struct ForeignMeasurement;

/// What a measurement is to look at: a picture, magnitudes of frequencies, line integrals, complex
/// frequencies.
enum class Shows { picture, magnitudes, sinogram, frequencies };

/// What an operator takes beside its settings.
struct OperatorData {
  /// By the names of the operator's row, planar. A name that is not there, or an empty tensor, is an array
  /// that is not given.
  std::map<std::string, Tensor> arrays;
  std::string weights;  ///< path of its network's weight file

  Tensor& operator[](const std::string& name) { return arrays[name]; }
  /// The array, or an empty tensor.
  Tensor at(const std::string& name) const;
};

/// An array of an operator: a dataset of measurement.h5, and perhaps a file that the user gives.
struct ArrayRow {
  /// mask: zeros and ones, (1, 1 or C, H, W) of the operator's input; kernel: (1, 1, kh, kw), odd sides, of
  /// sum 1 when it comes from the user's file; numbers: anything.
  enum class Form { mask, kernel, numbers };
  const char* name;
  Form form = Form::numbers;
  const char* option = "";  ///< that names the user's file; empty: it comes with a measurement, or is drawn
  const char* what = "";    ///< of that option, for `--help`
};

/// A way to draw the operator's mask, which makes a task of its own: OPERATOR_DRAW ("inpainting_box").
struct DrawRow {
  const char* name;
  const char* what;
  std::span<const Setting> settings;
  /// H W zeros and ones. Errors: settings that such an image cannot have.
  std::vector<float> (*draw)(const Settings& settings, int H, int W, std::uint64_t seed);
};

/// Angles that may also be stated as a range or one by one, in degrees.
struct AnglesRow {
  const char* array;                 ///< the operator's array of them, (1, 1, 1, count)
  const char *count, *first, *span;  ///< the settings that say as much of angles at equal distances
};

/// Files of other programs that hold measurements of this kind.
struct ForeignRow {
  /// By its content; false for what is no such file.
  bool (*holds)(const std::string& path);
  const char* option;  ///< a whole number from 0 on: which of the file's measurements ("--slice")
  const char* what;    ///< of that option, for `--help`
  ForeignMeasurement (*read)(Context& context, const std::string& path, int index,
                             const OperatorDescription& asked, std::uint64_t seed);
};

/// Step sizes. zeta of the guidance by the prior: those of the DPS paper's table for networks trained on FFHQ
/// and ImageNet (where it has no number, that of the nearest task), for Poisson noise, and for the spectrum
/// prior a factor of the root of the number of entries of y, measured or not: the best of a scan over powers
/// of two on photographs, 250 to 1000 steps. rho of ADMM with total variation.
struct StepSizes {
  double ffhq = 1, imagenet = 1, poisson = 0.3, spectrum = 0.045;
  double rho = 1e-2;
};

/// What of a measurement is unknown besides the image, and has to be found with it.
struct BlindRow {
  /// The unknowns after the image, in the operator's order; each is an array of the row, which holds the
  /// truth where a measurement was simulated.
  std::span<const char* const> unknowns;
  /// The operator of all unknowns, the image first.
  std::unique_ptr<ForwardOperator> (*joint)(Context& context, const Settings& settings);
  Shape (*shape)(const Settings& settings, const std::string& unknown, const Shape& image);
  /// The value that a measurement of such an image is simulated with. Errors: settings that do not fit.
  Tensor (*draw)(Context& context, const Settings& settings, const std::string& unknown, const Shape& image);
};

/// One row.
struct OperatorKind {
  const char* name;  ///< in files
  const char* what;  ///< one line for `--help`
  std::unique_ptr<ForwardOperator> (*make)(Context& context, const Settings& settings,
                                           const OperatorData& data);
  std::span<const Setting> settings = {};
  std::span<const Setting> reading = {};  ///< how a plain array of such a measurement is to be read
  std::span<const ArrayRow> arrays = {};
  std::span<const DrawRow> draws = {};
  const AnglesRow* angles = nullptr;
  Shows shows = Shows::picture;
  StepSizes steps = {};
  const char* task = nullptr;     ///< what the task is called; null: as the operator
  const char* alias = "";         ///< another name in files
  const char* ignored = "";       ///< a setting of the DPS repository's files that means nothing here
  const char* compat = "";        ///< "key=value": the setting that makes it what the DPS repository computes
  const char* network = nullptr;  ///< what `OperatorData::weights` is, for `--help`; null: it has no network
  const char* foreign =
      nullptr;                ///< what to do with a picture of such a measurement, where a draw is unknown
  int measured_channels = 0;  ///< of a picture that is the measurement; 0: the image's
  int image_channels = 0;     ///< that the image must have; 0: any
  int restarts = 1;           ///< runs of which the one with the least misfit is kept
  bool of_many = false;       ///< composed of other operators
  const ForeignRow* files = nullptr;
  /// The image's shape by its measurement's; null: the same.
  Shape (*image_shape)(const Settings& settings, const Shape& measured) = nullptr;
  /// A simple image from the measurement alone, to look at; null: A^+ y, or A^T y, where it is linear.
  Tensor (*first_look)(ForwardOperator& op, const Tensor& y, const Shape& image) = nullptr;
  const BlindRow* blind = nullptr;  ///< of a blind problem; `make` is for unknowns that are given as arrays

  const char* task_name() const { return task ? task : name; }
};

/// An operator as somebody described it: its row and the values of its settings, checked.
struct OperatorDescription {
  const OperatorKind* kind;
  Settings settings;
  std::vector<OperatorDescription> parts = {};  ///< of an operator composed of others, in order

  /// The operators it is composed of, down to those that are not composed; of any other, itself.
  std::vector<const OperatorDescription*> leaves() const;
  /// What the rows of the parts say of the whole.
  Shows shows() const;
  int measured_channels() const;
  int image_channels() const;
  int restarts() const;
  Shape image_shape(const Shape& measured) const;
  /// Image pixels along one measured pixel.
  int factor() const { return image_shape({1, 1, 1, 1}).H; }
  /// States `seed` for every part that draws and does not say by which.
  void state_seeds(std::uint64_t seed);
};

}  // namespace tweedie
