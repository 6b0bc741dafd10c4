// RED-diff: a variational estimate by the denoiser's residual (Mardani et al., ICLR 2024).
#pragma once

#include <optional>

#include "engine/solvers/solver.hpp"

namespace tweedie {

struct RedDiffOptions {
  enum class Weight { linear, square_root, square, logarithm, constant };
  double rate = 0.1, observation = 1, regulariser = 0.25, sigma_x0 = 0;
  Weight weight = Weight::linear;  ///< of sigma_t, times `regulariser`
};

/// Adam (betas 0.9 and 0.99) on mu from A^+ y, one step at each noise level from the noisiest on: x_t =
/// sqrt(abar) (mu + sigma_x0 z_0) + sqrt(1 - abar) z, and the gradient of
///   observation mean |y - A x0|^2 / 2 + regulariser w(sigma_t) mean((eps(x_t) - z) x0) , eps constant.
/// The means are over all entries of y and of the image, as in the published code. Where A^+ is not known,
/// the start is A^T y (or 0 for a nonlinear operator). No gradient of the network; seeks a mode.
class RedDiff : public Solver {
 public:
  explicit RedDiff(const RedDiffOptions& options) : options_(options) {}
  Tensor start(Posterior& p) override;
  Tensor step(Posterior& p, Tensor mu, int executed) override;
  const Tensor& estimate() const override { return at_->x0; }
  const TensorOf<double>& misfit_squared() const override { return misfit_; }

 private:
  void prepare(Posterior& p);

  RedDiffOptions options_;
  std::optional<Evaluation> at_;
  Tensor m_, v_;  ///< Adam's averages
  TensorOf<double> misfit_;
};

extern const SolverKind reddiff_kind;

}  // namespace tweedie
