// One evaluation of the prior at a noise level: what every solver is made of.
#pragma once

#include <memory>

#include "engine/context.hpp"
#include "engine/denoiser.hpp"

namespace tweedie {

/// The prior at one x and one noise level: its prediction, the estimate x0_hat, and the way back from a
/// gradient with respect to x0_hat to one with respect to x. Kept from step to step, so that the state which
/// the way back needs is allocated once.
class Evaluation {
 public:
  explicit Evaluation(Context& ctx) : context(ctx) {}

  Context& context;
  Tensor x;  ///< x_t = sqrt(abar) x_0 + sqrt(1 - abar) n, planar
  NoiseLevel level;
  Prediction prediction;
  Tensor x0;  ///< x0_hat = a x_t - b eps, clipped where that was asked for

  double alphas_cumprod() const { return level.alphas_cumprod; }
  double a() const;  ///< 1 / sqrt(abar)
  double b() const;  ///< sqrt(1 / abar - 1)

  /// Runs the denoiser at x and `level`, and fills prediction and x0. x0 is limited to [-limit, limit], 0:
  /// not at all; `with_gradient`: keeps what `pull_back` needs.
  void evaluate(Denoiser& denoiser, double limit, bool with_gradient);
  /// Gradient with respect to x_t of <cotangent, x0_hat(x_t)>, through the clipping and the network:
  /// a g + J_eps^T (-b g), g the cotangent where x0_hat was not clipped. Once for an evaluation with
  /// gradient.
  Tensor pull_back(const Tensor& cotangent);

 private:
  Denoiser* denoiser_ = nullptr;  ///< whose state `saved_` is
  std::unique_ptr<Saved> saved_;
  float limit_ = 0;
};

}  // namespace tweedie
