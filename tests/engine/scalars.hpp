// A posterior that falls apart into scalars, many truths and many samples of each, and what samples are like
// beside it.
#pragma once

#include <memory>
#include <vector>

#include "engine/spectrum_prior.hpp"
#include "tests/engine/hartley.hpp"

namespace tweedie::test {

constexpr int truths = 16;   ///< images drawn from the prior, measured once each
constexpr int samples = 19;  ///< of each posterior: a truth among them has one of 20 ranks, all alike
constexpr Shape image{1, 1, 8, 8};
constexpr double sigma = 0.05;
/// A standard deviation of 0.2 a pixel, so that no method's clipping to [-1, 1] has anything to clip.
constexpr SpectrumParameters spectrum{{1.6e-3, 0, 0}, 0.1, 2.5};

/// One mode: its variance S under the prior, its singular value, and the posterior's variance P.
struct Mode {
  double S, s, P;
  /// The posterior's mean, y being the mode's coefficient of the measurement.
  double mean(double y) const { return P * s * y / (sigma * sigma); }
};

/// The prior, and how often it was asked.
class Counted : public Denoiser {
 public:
  explicit Counted(Denoiser& inner) : inner_(inner) {}
  std::unique_ptr<Saved> make_saved() const override { return inner_.make_saved(); }
  Prediction forward(const Tensor& x, const NoiseLevel& level, Saved* saved = nullptr) override {
    ++evaluations;
    return inner_.forward(x, level, saved);
  }
  Tensor backward(const Tensor& deps, Saved& saved) override {
    ++gradients;
    return inner_.backward(deps, saved);
  }
  bool learns_variance() const override { return inner_.learns_variance(); }
  int evaluations = 0, gradients = 0;

 private:
  Denoiser& inner_;
};

/// What a method makes of a mode: a mean of on_y times the mode's measurement, and a variance.
struct Line {
  double on_y = 0, variance = 1;
};

/// What the samples of a method are like, in the mean over modes and truths.
struct Row {
  double mean_error = 0;               ///< of their mean from the posterior's, in its standard deviations
  double variance_ratio = 0;           ///< their variance over the posterior's
  double inside_90 = 0;                ///< how often the truth is inside their central nine tenths
  int evaluations = 0, gradients = 0;  ///< of the prior, for one sample
};

/// The same against what theory says of the method.
struct Agreement {
  double mean = 0, variance = 0;  ///< over what theory expects, in the modes that vary: 1 where it is right
  double off = 0;                 ///< the largest error where theory knows a mode without variance
};

/// Modes measured with singular values 1, 1/2, 1/4 and 0, noise `sigma`.
struct Problem {
  explicit Problem(Context& c);
  /// Of samples (truths * samples, 1, 8, 8), truth by truth; `lines`: what theory says of each mode, or
  /// nothing.
  Row judge(const Tensor& x, const std::vector<Line>& lines, Agreement& agreement) const;

  Context& context;
  SpectrumPrior prior;
  std::vector<Mode> modes;
  std::unique_ptr<HartleyOperator> op;
  std::vector<float> truth, measured;  ///< coefficients, truth by truth
  Tensor y;
  const Shape batch{truths * samples, 1, image.H, image.W};
};

}  // namespace tweedie::test
