// A small linear Gaussian inverse problem solved densely, in double: for operators that no transform
// diagonalises.
#pragma once

#include <vector>

#include "engine/forward_operator.hpp"
#include "engine/spectrum_prior.hpp"

namespace tweedie::test {

/// Square, row-major.
struct SquareMatrix {
  explicit SquareMatrix(int size) : n(size), values(std::size_t(size) * std::size_t(size), 0.0) {}
  double& operator()(int i, int j) { return values[std::size_t(i) * std::size_t(n) + std::size_t(j)]; }
  double operator()(int i, int j) const { return values[std::size_t(i) * std::size_t(n) + std::size_t(j)]; }
  int n;
  std::vector<double> values;
};

/// Eigenvalues and, in the columns of `vectors`, orthonormal eigenvectors of a symmetric matrix.
struct Eigen {
  std::vector<double> values;
  SquareMatrix vectors;
};
/// By Jacobi's rotations, until what is off the diagonal is 1e-14 of the matrix.
Eigen eigen(SquareMatrix a);

/// The posterior of y = A x_0 + sigma n, x_0 from the spectrum prior, for images of one channel, where A is
/// the mean of factor x factor pixels: covariance (the same for every y) and its eigenvectors, mean.
class PooledPosterior {
 public:
  PooledPosterior(const SpectrumPrior& prior, Shape image, int factor, double sigma);
  int pixels() const { return image_.H * image_.W; }
  double variance(int pixel) const { return covariance_(pixel, pixel); }
  const Eigen& modes() const { return eigen_; }
  /// Of one measurement.
  std::vector<double> mean(const float* y) const;
  /// Variance of each pixel where the modes have these variances.
  std::vector<double> pixel_variances(const std::vector<double>& of_modes) const;
  /// Likewise, of each value of A x.
  std::vector<double> measured_variances(const std::vector<double>& of_modes) const;
  /// Index of the measured value a pixel goes into.
  int measured_by(int pixel) const {
    return pixel / image_.W / factor_ * (image_.W / factor_) + pixel % image_.W / factor_;
  }

 private:
  Shape image_;
  int factor_;
  SquareMatrix covariance_;
  std::vector<double> gain_;  ///< C A^T (A C A^T + sigma^2)^-1, pixels x measurements
  int measured_;
  Eigen eigen_{{}, SquareMatrix(0)};
};

/// The exact denoiser of that posterior, for a batch of images with their own means.
class ExactPooledPosterior : public Denoiser {
 public:
  /// means: (N, 1, H, W), of each image's posterior.
  ExactPooledPosterior(Context& context, const PooledPosterior& posterior, Tensor means)
      : context_(context), posterior_(posterior), means_(std::move(means)) {}
  std::unique_ptr<Saved> make_saved() const override { return std::make_unique<Saved>(); }
  Prediction forward(const Tensor& x, const NoiseLevel& level, Saved* saved = nullptr) override;
  Tensor backward(const Tensor&, Saved&) override { throw Error("exact posterior: no way back"); }
  bool learns_variance() const override { return false; }

 private:
  Context& context_;
  const PooledPosterior& posterior_;
  Tensor means_;
};

}  // namespace tweedie::test
