// The inverse problem as posed: what is known of the truth, what was measured, and how.
#pragma once

#include <memory>
#include <optional>

#include "engine/likelihood.hpp"
#include "operators/measurement.hpp"
#include "tools/image.hpp"
#include "tools/prior.hpp"
#include "tools/restore/options.hpp"

namespace tweedie {

/// The measurement and, where one is simple, an image made of it alone, to look at and to compare with.
struct Views {
  Image measurement;            ///< as it is where it is a picture, else scaled to be seen
  std::optional<Image> before;  ///< of the image's size: enlarged, or A^+ y
};

struct Problem {
  std::string task;  ///< its name
  Json mask;         ///< how the mask came about; null where there is none, or a file of numbers has it
  Noise noise;
  std::optional<Image> original;
  Measurement measurement;              ///< with the image's own size
  std::unique_ptr<ForwardOperator> op;  ///< on images of `padded`
  Shape image;                          ///< (1, C, H, W) of the picture
  Shape padded;                         ///< the same, with the sides the prior needs
  Views views;
  std::int64_t observed = 0;  ///< of the measurement's values
  std::int64_t noisy = 0;     ///< values that the misfit is of: those observed, of a compat run all
  std::optional<double>
      expected_misfit;             ///< |y - A x| at the truth under Gaussian noise, where that is known
  std::vector<std::string> notes;  ///< what was supposed, or ignored, in reading the files

  const Tensor& y() const { return measurement.y; }
  const OperatorDescription& description() const { return *measurement.op; }
  NoiseModel noise_model() const;
  /// |y - A x| of an image of `padded`'s shape.
  double misfit(Context& context, const Tensor& x) const;
};

/// Reads the image and measures it, or reads the measurement. Draws from stream 0 of the context. Errors:
/// files that do not fit the task or each other, or are for images of other channels than `channels` (0:
/// any); an operator that measures nothing.
Problem pose(Context& context, const Options& options, int channels);

/// Lets the operator take images with the sides that the prior needs. Errors: the prior has other channels.
void suit(Context& context, Problem& problem, const Options& options, const Prior& prior);

/// What was understood, in a line or two: task, image, noise, how much was observed.
std::string summary(const Problem& problem);

}  // namespace tweedie
