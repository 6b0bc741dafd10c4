// What the power spectrum of a blurred photograph says of its kernel: expectation and maximisation in closed
// form.
#pragma once

#include "engine/spectrum_prior.hpp"

namespace tweedie {

struct SpectralKernelOptions {
  int rows = 33, columns = 33;  ///< of the kernel; of an even side the last line stays 0
  double sigma = 0.02;          ///< standard deviation of the noise in y, in the units of y
  int iterations = 30;
  double threshold = 0.1;  ///< of the largest pixel; see `HazeRemoval`
};

struct SpectralKernel {
  Tensor kernel;        ///< (1, 1, rows, columns), on the simplex, symmetric about (side - 1) / 2
  double contrast = 1;  ///< how many times the prior's power the photograph has
};

/// The symmetric kernel k that maximises p(y | k), y (1, C, H, W) = k * x + noise with circular edges and x
/// of the spectrum prior with its power multiplied by an unknown contrast. A stationary Gaussian prior sees
/// no phase: of any other kernel this is one with about the same spectrum.
///
/// Expectation-maximisation with the posterior's exact moments, K and S real, mode by mode:
///   P = K^2 S + sigma^2,  m = K S Y / P,  V = S sigma^2 / P
///   K' = sum_c Re(Y conj m) / sum_c (|m|^2 + V) * sqrt(mean_c (|m|^2 + V) / S) .
/// - V counts what m does not know. Without it, modes that the measurement does not show divide by nearly
///   nothing, and the kernel stays as sharp as it was.
/// - The root is that of parameter-expanded EM (Liu, Rubin & Wu, Biometrika 1998): the image's own power must
///   be the prior's. Without it a step moves K by about sigma^2 / P of what is missing, that is not at all
///   where the noise is low, because x explains y with any K. It is smoothed over the frequencies that a
///   kernel of this size cannot tell apart.
/// - The start is wide. Modes lost in noise keep what K starts with; from a point they keep a peak in the
///   kernel that decays only with the root of the number of steps.
/// Each step ends on the pixels of the kernel and on the simplex; what is lost in bringing the sum to 1 is
/// the contrast. Modes along the axes are not looked at: the joined edges of a photograph show there. Errors:
/// a batch; sides, iterations or sigma that are not positive; a kernel larger than the image.
SpectralKernel spectral_kernel(Context& context, SpectrumPrior& prior, const Tensor& y,
                               const SpectralKernelOptions& options);

/// The posterior's mean E[x | y] under the same prior, for this kernel: a Wiener filter. y (1, C, H, W).
/// The kernel is taken as symmetric about (side - 1) / 2: of any other its even part.
Tensor spectral_mean(Context& context, SpectrumPrior& prior, const Tensor& y, const SpectralKernel& found,
                     double sigma);

}  // namespace tweedie
