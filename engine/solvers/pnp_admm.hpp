// Plug-and-play ADMM: the prior as the denoiser of one fixed noise level (Venkatakrishnan et al., GlobalSIP
// 2013; Chan et al., IEEE TCI 2017).
#pragma once

#include <optional>

#include "engine/solvers/solver.hpp"

namespace tweedie {

struct PnpAdmmOptions {
  int iterations = 30;
  double denoiser_sigma = 0.1;  ///< sd, the noise that the denoiser takes away, of [-1, 1] images
};

/// From z = u = 0, with D(v) = E[x_0 | x_0 + sd n = v], clipped to [-1, 1], and sy the measurement's noise
/// (at least 0.002), each iteration is
///   x = argmin |y - A x|^2 / sy^2 + |x - (z - u)|^2 / sd^2 ,  z <- D(x + u) ,  u <- u + x - z .
/// Both halves weigh by sd, so that with a Gaussian prior, of which D is the proximal map, z goes to the
/// posterior's mean. One evaluation of the prior an iteration, no gradient of the network, nothing random: an
/// estimate, not a sample. The state is z. The schedule given serves only to find the timestep of sd.
class PnpAdmm : public Solver {
 public:
  explicit PnpAdmm(const PnpAdmmOptions& options) : options_(options) {}
  int steps(const Posterior&) const override { return options_.iterations; }
  Tensor start(Posterior& p) override;
  Tensor step(Posterior& p, Tensor z, int executed) override;
  const Tensor& estimate() const override { return at_->x0; }
  const TensorOf<double>& misfit_squared() const override { return misfit_; }

 private:
  PnpAdmmOptions options_;
  std::optional<Evaluation> at_;
  Tensor u_;
  TensorOf<double> misfit_;
};

extern const SolverKind pnp_admm_kind;

}  // namespace tweedie
