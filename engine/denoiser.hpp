// The first of the engine's two interfaces: a prior over images, as a noise predictor.
#pragma once

#include <memory>

#include "engine/saved.hpp"
#include "engine/schedule.hpp"
#include "engine/tensor.hpp"

namespace tweedie {

/// What a denoiser says about x_t.
struct Prediction {
  Tensor eps;  ///< estimate of the noise in x_t, planar, x_t's shape
  Tensor v;    ///< learned interpolation of the log variance, in [-1, 1], or empty: the variance is fixed
};

/// A prior, as the estimate of the noise in x_t = sqrt(abar) x_0 + sqrt(1 - abar) n; its score is
/// -eps / sqrt(1 - abar). Images are planar (N, C, H, W) in [-1, 1].
class Denoiser {
 public:
  virtual ~Denoiser() = default;
  /// An empty state for `forward` to fill.
  virtual std::unique_ptr<Saved> make_saved() const = 0;
  /// The prediction; what `backward` needs is kept in `saved` unless that is null.
  virtual Prediction forward(const Tensor& x, const NoiseLevel& level, Saved* saved = nullptr) = 0;
  /// J^T deps, the gradient with respect to x of <deps, eps(x)> (v is taken as a constant: in DPS the
  /// gradient runs through x0_hat alone). A saved state serves one backward: it gives its memory back.
  /// Errors: a state that no forward has filled since.
  virtual Tensor backward(const Tensor& deps, Saved& saved) = 0;
  /// True when predictions carry v.
  virtual bool learns_variance() const = 0;
};

}  // namespace tweedie
