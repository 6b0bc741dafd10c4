// How well a blur kernel was recovered, and how well a result explains its measurement.
#pragma once

#include <cstdint>

#include "tools/metrics/linear_algebra.hpp"

namespace tweedie::metrics {

/// Maximum of normalised convolution (Hu & Yang, "Good Regions to Deblur", ECCV 2012): the largest over
/// shifts d of sum_i a(i) b(i + d) / (|a| |b|), zero outside, with the shift it is at. In [0, 1] for kernels
/// without negative taps; blind to a shift.
struct KernelMatch {
  double mnc = 0;
  int rows = 0, columns = 0;  ///< d: b is a moved down and to the right by so much
};
/// Errors: a kernel that is empty, all zero or not finite.
KernelMatch match(const Matrix& a, const Matrix& b);

/// Mean squared difference of kernels scaled to sum 1, and of kernels scaled to maximum 1: published numbers
/// are of either. Errors: sizes that differ, a kernel whose sum or maximum is not positive.
double mse_of_unit_sum(const Matrix& a, const Matrix& b);
double mse_of_unit_maximum(const Matrix& a, const Matrix& b);

/// What a result leaves of a measurement of m numbers with noise of standard deviation sigma.
struct DataMisfit {
  double norm = 0;  ///< |A x - y|
  double rms = 0;   ///< |A x - y| / sqrt(m)
  double chi2 =
      0;  ///< |A x - y|^2 / (m sigma^2): about 1 is right, far more not converged, far less over-fit
  double excess = 0;  ///< |A x - y|^2 - m sigma^2
};
/// Of |A x - y|, m and sigma. Errors: no numbers, sigma not positive.
DataMisfit data_misfit(double norm, std::int64_t m, double sigma);

}  // namespace tweedie::metrics
