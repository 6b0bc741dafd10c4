// How far an image is from another: MSE, PSNR, SSIM.
#pragma once

#include "tools/image.hpp"

namespace tweedie {

/// Mean squared error over all channels and pixels, on values mapped from [-1, 1] to [0, 1]. Values outside
/// count as they are: give `clipped(x)` to score what a written PNG shows. Throws `Error` unless the sizes
/// agree.
double mse(const Image& x, const Image& y);

/// Peak signal-to-noise ratio, 10 log10(1 / mse), in dB: the peak is 1 on the [0, 1] scale. Infinite for
/// equal images.
double psnr(const Image& x, const Image& y);

/// The least height and width that `ssim` takes, in pixels.
inline constexpr int ssim_window = 11;

/// Structural similarity (Wang et al., 2004): Gaussian window of 11 x 11 taps and sigma 1.5, K1 = 0.01, K2 =
/// 0.03, data range 1 (on the [0, 1] scale), population covariances, averaged over all positions at which the
/// window lies inside the image, then over the channels. At most 1, reached by equal images. The same number
/// as skimage.metrics.structural_similarity(x, y, gaussian_weights=True, sigma=1.5,
/// use_sample_covariance=False, data_range=1, channel_axis=0). Throws `Error` unless the sizes agree and no
/// side is below `ssim_window`.
double ssim(const Image& x, const Image& y);

}  // namespace tweedie
