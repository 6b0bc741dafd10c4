// What several samples of a posterior say together.
#pragma once

#include <vector>

#include "tools/image.hpp"

namespace tweedie {

/// Pixel by pixel. Errors: no images, or images of several sizes.
Image mean_of(const std::vector<Image>& samples);

/// Standard deviation of a pixel (H, W), the root of the mean square over its channels; two samples or more.
std::vector<float> deviation_of(const std::vector<Image>& samples, const Image& mean);

/// How often, over all pixels and channels, the truth falls inside the central `level` (0 to 1) of the
/// posterior that the samples come from. Where truth and samples are draws of one distribution, the truth's
/// rank among N samples is any of 0 ... N with the same probability; rank r stands for the quantiles from
/// r / (N + 1) to (r + 1) / (N + 1), and counts with the share of them that is central. So the expected value
/// is `level` for any N, but it takes N > 1 / level and (N + 1) (1 - level) >= 2 samples to tell a wrong
/// posterior from a right one: 19 for 90 %. Ties count half.
double coverage(const std::vector<Image>& samples, const Image& truth, double level);

}  // namespace tweedie
