// How far two sets of images are apart, by the features of a network: the Frechet distance (FID) and the
// kernel distance (KID).
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tools/metrics/linear_algebra.hpp"

namespace tweedie::metrics {

/// Mean and covariance (divided by N - 1) of features; all that a Frechet distance needs.
struct FeatureStatistics {
  std::vector<double> mean;
  Matrix covariance;
};

/// Of a matrix whose rows are samples. Errors: fewer than two rows.
FeatureStatistics statistics_of(const Matrix& features);

/// Reads what pytorch-fid and clean-fid publish: an .npz of `mu` (D) and `sigma` (D, D). Errors: no such
/// arrays, shapes that do not fit, values that are not finite.
FeatureStatistics read_statistics(const std::string& path);

/// |mu_x - mu_y|^2 + tr Sx + tr Sy - 2 tr (Sx Sy)^(1/2) (Dowson & Landau 1982; Heusel et al. 2017, Eq. 6).
/// The last trace is that of the square root of Sx^(1/2) Sy Sx^(1/2): real and without a choice of branch.
/// Errors: numbers of features that differ, fewer than two samples.
double frechet_distance(const FeatureStatistics& x, const FeatureStatistics& y);
/// The same of samples. Where they are fewer than their features, covariances are singular; then the trace is
/// the sum of singular values of Xc Yc^T / sqrt((Nx - 1)(Ny - 1)), which is exact and cheap.
double frechet_distance(const Matrix& x, const Matrix& y);
/// Samples against published statistics: eigenvalues of Xc Sy Xc^T / (Nx - 1) where samples are few.
double frechet_distance(const Matrix& x, const FeatureStatistics& y);

/// Unbiased estimate of the squared maximum mean discrepancy with the kernel (a.b / D + 1)^3 (Binkowski et
/// al., "Demystifying MMD GANs", ICLR 2018), of the rows `in_x` of x and `in_y` of y. Errors: fewer than two
/// rows.
double kernel_distance(const Matrix& x, const Matrix& y, const std::vector<int>& in_x,
                       const std::vector<int>& in_y);
/// Of all rows.
double kernel_distance(const Matrix& x, const Matrix& y);

struct KernelDistance {
  double mean = 0,
         deviation = 0;  ///< over subsets; the deviation is the population's, as torchmetrics prints
  int subsets = 0, size = 0;
};
/// Over `subsets` pairs of random subsets of min(Nx, Ny, size) rows each, drawn without replacement.
KernelDistance kernel_distance_of_subsets(const Matrix& x, const Matrix& y, int subsets, int size,
                                          std::uint64_t seed);

}  // namespace tweedie::metrics
