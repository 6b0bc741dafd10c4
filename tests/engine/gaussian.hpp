// Linear Gaussian inverse problems under the spectrum prior, solved in closed form mode by mode.
#pragma once

#include <complex>
#include <vector>

#include "engine/forward_operator.hpp"
#include "engine/spectrum_prior.hpp"

namespace tweedie::test {

/// Mean and variance E|X - mean|^2 / (H W) of every half-spectrum mode X = fft2(x).
struct ModeStatistics {
  std::vector<std::complex<double>> mean;  ///< over sqrt(H W), so that white noise has variance 1
  std::vector<double> variance;
};

/// A multiplication of each mode by a real gain: a circular, symmetric blur. Its own adjoint.
class ModeOperator : public LinearOperator {
 public:
  ModeOperator(SpectrumPrior& prior, const Shape& image, const std::vector<float>& gain)
      : prior_(prior), gain_(prior.upload_gain(image, gain)) {}
  Shape output_shape(const Shape& image) const override { return image; }
  Tensor apply(const Tensor& x) override { return prior_.filter(x, gain_); }
  Tensor adjoint(const Tensor& y, const Shape&) override { return prior_.filter(y, gain_); }

 private:
  SpectrumPrior& prior_;
  Tensor gain_;
};

/// y = blur(x0) + sigma n with x0 drawn from the prior, one channel.
class BlurProblem {
 public:
  BlurProblem(Context& context, Shape image, double sigma);
  /// The truth of the posterior p(x0 | y).
  ModeStatistics posterior() const;
  /// Of the samples in a batch.
  ModeStatistics statistics(const Tensor& x) const;
  bool self_mirrored(std::size_t mode) const;

  Context& context;
  SpectrumPrior prior;  ///< its filter moves between pixels and modes
  Shape image;
  double sigma;
  std::vector<double> power, gain;  ///< S and the blur of every mode
  ModeOperator blur;
  Tensor truth, y;
  std::vector<std::complex<double>> y_modes;
};

/// The exact denoiser of p(x0 | y): x_0 given x_t and y is Gaussian in every mode.
class ExactPosterior : public Denoiser {
 public:
  ExactPosterior(Context& context, BlurProblem& problem);
  std::unique_ptr<Saved> make_saved() const override { return std::make_unique<Saved>(); }
  Prediction forward(const Tensor& x, const NoiseLevel& level, Saved* saved = nullptr) override;
  Tensor backward(const Tensor&, Saved&) override { throw Error("exact posterior: no way back"); }
  bool learns_variance() const override { return false; }

 private:
  Context& context_;
  BlurProblem& problem_;
  std::vector<double> variance_;
  Tensor mean_, means_;  ///< of p(x0 | y), as an image; repeated for a batch
};

/// Normalised half spectra fft2(x) / sqrt(H W) of each sample, one channel.
std::vector<std::complex<double>> modes(Context& context, const Tensor& x);

}  // namespace tweedie::test
