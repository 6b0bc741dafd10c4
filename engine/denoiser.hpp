// The first of the engine's two interfaces: a prior over images, as a noise predictor.
#pragma once

#include <functional>

#include "engine/schedule.hpp"
#include "engine/tensor.hpp"

namespace tweedie {

/// A value and the vector-Jacobian product at the point it was computed at. `pullback` takes a cotangent of
/// the value and returns the gradient with respect to the input. It may be called once, before the next call
/// to the object that made it (which keeps the saved state, so that no closure owns memory).
template <class Value>
struct Vjp {
  Value value;
  std::function<Tensor(const Tensor& cotangent)> pullback;
};

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
  virtual Prediction predict(const Tensor& x, const NoiseLevel& level) = 0;
  /// The prediction, and the pullback of a cotangent of eps to x (v is taken as a constant: in DPS the
  /// gradient runs through x0_hat alone).
  virtual Vjp<Prediction> vjp(const Tensor& x, const NoiseLevel& level) = 0;
  /// True when predictions carry v.
  virtual bool learns_variance() const = 0;
};

}  // namespace tweedie
