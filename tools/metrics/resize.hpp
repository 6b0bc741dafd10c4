// Resizing as the tools that compute FID do it, each its own way. At 256 -> 299 pixels their results differ
// by up to 30 of 255 levels.
#pragma once

#include <span>
#include <string>

#include "tools/metrics/planes.hpp"

namespace tweedie::metrics {

enum class Resizer {
  bilinear,              ///< torch's, half-pixel centres, without antialiasing (pytorch-fid)
  bilinear_tf1,          ///< TensorFlow 1's: source = index * in / out (torch-fidelity)
  bilinear_antialiased,  ///< torch's with antialias=True (torchmetrics)
  bicubic_pil  ///< Pillow's bicubic (a = -0.5) with antialiasing, held to [0, 1] (clean-fid "clean")
};

/// The image at another size. Errors: a side that is not positive.
Planes resized(const Planes& x, int height, int width, Resizer resizer);

/// What a tool makes of an image before Inception sees it.
struct InceptionInput {
  const char* name;  ///< of the metric on the command line, after "fid-"
  const char* tool;
  Resizer resizer;
  bool around_128;  ///< (v - 128) / 128 of levels v in [0, 255]; else 2 x - 1 of [0, 1]
};
std::span<const InceptionInput> inception_inputs();
/// The one of that name. Errors: there is none.
const InceptionInput& inception_input(const std::string& name);

/// RGB values (3, 299, 299) for Inception of an image in [0, 1]; a gray one is three times its channel.
std::vector<float> prepared(const Planes& image, const InceptionInput& input);

}  // namespace tweedie::metrics
