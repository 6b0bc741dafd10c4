// The stationary Gaussian image prior with the power spectrum of natural photographs.
#pragma once

#include <vector>

#include "engine/context.hpp"
#include "engine/denoiser.hpp"

namespace tweedie {

/// Power spectrum of photographs in [-1, 1]: the opponent colour channel k has, at frequency f (cycles a
/// pixel),
///   S_k(f) = power[k] (f^2 + corner^2)^(-slope / 2) .
/// (Power falls as f^-2 to f^-3: Field 1987, Torralba & Oliva 2003; opponent axes decorrelate colour:
/// Ruderman et al. 1998.) The defaults are round numbers: a standard deviation of 0.5 a pixel, nine tenths of
/// it lightness.
struct SpectrumParameters {
  double power[3] = {2.5e-3, 2e-4, 1.5e-4};  ///< lightness, blue-yellow, red-green
  double corner = 2e-3;                      ///< below it the spectrum is flat: the variance is finite
  double slope = 2.5;
};

/// x_0 ~ N(0, C), C stationary with periodic boundary and diagonal in (colour axis, frequency): for
/// x_t = sqrt(abar) x_0 + sqrt(1 - abar) n the posterior mean of the noise is, mode by mode,
///   eps = sqrt(1 - abar) / (abar S + 1 - abar) x_t ,
/// exact, linear and self-adjoint, so its backward is the same map. One FFT each way. Any H and W; 1 or 3
/// channels.
class SpectrumPrior : public Denoiser {
 public:
  explicit SpectrumPrior(Context& context, SpectrumParameters parameters = {});
  std::unique_ptr<Saved> make_saved() const override;
  Prediction forward(const Tensor& x, const NoiseLevel& level, Saved* saved = nullptr) override;
  Tensor backward(const Tensor& deps, Saved& saved) override;
  bool learns_variance() const override { return false; }

  /// S of every mode: (C, H, W/2 + 1) planar half spectra, normalised so that E|fft2(x)|^2 = S H W.
  std::vector<double> spectrum(const Shape& shape) const;
  /// Gains (C, H, W/2 + 1) for images of that size, as `filter` takes them. Errors: another number of them.
  Tensor upload_gain(const Shape& image, const std::vector<float>& gain);
  /// y = F^-1 diag(gain) F x in opponent colours: the map every formula here is one of. Errors: gains of
  /// images of another size.
  Tensor filter(const Tensor& x, const Tensor& gain);
  /// Of every mode the real part of conj(X) Y, summed over the samples, X and Y the transforms of x and y in
  /// opponent colours: (C, H, W/2 + 1) as `spectrum`.
  std::vector<double> cross_power(const Tensor& x, const Tensor& y);
  /// An exact draw from the prior.
  Tensor draw(const Shape& shape);

 private:
  struct Level;
  void prepare(const Shape& shape);
  void use_level(const Shape& shape, double abar);
  Tensor colours(const Tensor& x, bool back);

  Context& context_;
  SpectrumParameters parameters_;
  Shape shape_;                      ///< what the members below were made for
  std::vector<double> spectrum_;     ///< (C, H, W/2 + 1)
  std::vector<float> gain_, twice_;  ///< the level's gains on the host, and each of them twice
  Tensor level_gain_;                ///< and as `filter` takes them
  Tensor rotation_;                  ///< 3x3 orthonormal opponent transform
  double level_ = -1;                ///< abar they belong to
};

}  // namespace tweedie
