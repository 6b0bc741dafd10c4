// The inverse problem as posed: what is known of the truth, what was measured, and how.
#pragma once

#include <memory>
#include <optional>

#include "engine/forward_operator.hpp"
#include "tools/image.hpp"
#include "tools/prior.hpp"
#include "tools/restore/measurement_file.hpp"
#include "tools/restore/options.hpp"

namespace tweedie {

struct Problem {
  Task task;
  Noise noise;
  bool noise_everywhere = false;  ///< also on what was not measured
  std::optional<Image> original;
  Measurement measurement;              ///< with the image's own size
  std::unique_ptr<ForwardOperator> op;  ///< on images of `padded`
  Shape image;                          ///< (1, C, H, W) of the picture
  Shape padded;                         ///< the same, with the sides the prior needs

  const Tensor& y() const { return measurement.y; }
  /// |y - A x| of an image of `padded`'s shape.
  double misfit(Context& context, const Tensor& x) const;
  /// What Gaussian noise alone makes of that at the truth, sigma times the root of the number of measured
  /// values; nothing for other noise, or where it is not known.
  std::optional<double> expected_misfit(Context& context) const;
};

/// Reads the image and measures it, or reads the measurement. Draws from stream 0 of the context. Notes about
/// files go to stderr. Errors: files that do not fit the task, each other or the prior.
Problem pose(Context& context, const Options& options, const Prior& prior);

/// The measurement and, where one is simple, an image made of it alone, to look at and to compare with.
struct Views {
  Image measurement;            ///< as it is where it is a picture, else scaled to be seen
  std::optional<Image> before;  ///< of the image's size: enlarged, or A^+ y
};
Views view_measurement(Context& context, const Problem& problem);

}  // namespace tweedie
