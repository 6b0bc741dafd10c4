// PSNR and SSIM exactly as the field's tools compute them. The variants differ by more than the effects that
// papers claim, so that each number carries its tool's name.
#pragma once

#include <span>
#include <string>

#include "tools/metrics/planes.hpp"

namespace tweedie::metrics {

/// Mean squared error over all channels and pixels.
double mean_squared_error(const Planes& x, const Planes& y);

/// 10 log10(1 / (mse + epsilon)), in dB; infinite for equal images without an epsilon.
double decibels(double mse, double epsilon = 0);

/// How a tool departs from 10 log10(1 / mse) of what it is given.
struct PsnrVariant {
  const char* name;    ///< of the metric on the command line
  const char* tool;    ///< as tables print it
  double epsilon = 0;  ///< added to the mse of [0, 1] images
  bool gray = false;   ///< of the luma
};
/// skimage, piq (+1e-8: never above 80 dB), RED-diff's, DiffPIR's, piq's greyscale.
std::span<const PsnrVariant> psnr_variants();
double psnr(const Planes& x, const Planes& y, const PsnrVariant& variant);
/// PSNR, by skimage's formula, of x or of x turned by half a turn, whichever is better: real images that are
/// half a turn of each other have the same Fourier magnitudes, and phase retrieval finds either.
double psnr_half_turn(const Planes& x, const Planes& y);

/// One tool's SSIM (Wang et al. 2004): per channel, then the mean over channels; K1 = 0.01, K2 = 0.03.
struct SsimVariant {
  const char* name;                                                   ///< of the metric on the command line
  const char* tool;                                                   ///< as tables print it
  enum class Window { gaussian, uniform } window = Window::gaussian;  ///< Gaussian: sigma 1.5
  int size = 11;                                                      ///< taps of the window
  bool sample = false;    ///< variances of n - 1 (skimage's use_sample_covariance)
  bool mirrored = false;  ///< averaged over all pixels, mirrored at the border; else where the window fits
  bool reduced = false;   ///< averaged f x f first, f = round(shorter side / 256) (piq's downsample)
  bool range_of_images = false;  ///< data range max - min of the images, not 1 (torchmetrics' None)
};
std::span<const SsimVariant> ssim_variants();
/// The variant of that name. Errors: there is none.
const SsimVariant& ssim_variant(const std::string& name);
/// The data range that a variant's constants are multiples of: 1, or that of the images.
double data_range(const Planes& x, const Planes& y, const SsimVariant& variant);
/// At most 1, reached by equal images. Errors: sizes that differ, a side below the window.
double ssim(const Planes& x, const Planes& y, const SsimVariant& variant);
/// The same, of each channel alone.
std::vector<double> ssim_per_channel(const Planes& x, const Planes& y, const SsimVariant& variant);

/// |x - y| / |y| in the Euclidean norm, y being the truth.
double relative_l2(const Planes& x, const Planes& y);

}  // namespace tweedie::metrics
