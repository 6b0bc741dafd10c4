// Seeing through turbulent air by expectation and maximisation: the image by a solver, the displacements as
// the most likely ones for it.
#pragma once

#include <functional>

#include "engine/evaluation.hpp"
#include "engine/schedule.hpp"
#include "engine/solvers/solver.hpp"
#include "operators/moving_turbulence.hpp"

namespace tweedie {

struct TiltSearchOptions {
  double sigma = 0.02;  ///< standard deviation of the noise in y, in the units of y
  /// Length of a step against the gradient of |y - A(x, k, phi)|^2 / 2, in square pixels for [-1, 1] images.
  /// Below 2 / max |dx|^2, dx the change of all channels from a pixel of the picture to the next, it cannot
  /// diverge; a wide blur lets longer ones pass.
  double step = 0.25;
  int iterations = 1;  ///< of an update
};

/// argmax_phi of log p(phi) + log p(y | x_t, k, phi), by proximal gradient steps whose proximal map is a
/// trained prior's denoiser (plug and play, Venkatakrishnan, Bouman & Wohlberg, GlobalSIP 2013). The image is
/// known as its estimate in the walk is, x_0 ~ N(x, r2) as PiGDM has it, so that y ~ N(A x, sigma^2 + r2 A
/// A^T), and
///   phi' = phi + s^2 J^T (sigma^2 + r2 A A^T)^-1 (y - A x),  phi = E[phi | phi + s n = phi'],  s^2 = step
///   sigma^2.
/// Without r2 displacements would explain what the image does not show yet. The prior removes no less noise
/// than the least that it was trained on.
class TiltSearch {
 public:
  /// `prior`: of displacements in pixels (`tweedie-train --data tilt-maps`), `schedule` the one that it was
  /// trained with, all its steps. It outlives this. Errors: options that are not positive.
  TiltSearch(Context& context, Denoiser& prior, Schedule schedule, const TiltSearchOptions& options);
  /// Moves the displacements of `op` for the estimate x (1, C, H, W) of an image, of variance r2, and y, what
  /// was measured of it.
  void update(MovingTurbulence& op, const Tensor& x, double r2, const Tensor& y);

 private:
  Tensor denoised(const Tensor& tilt, double noise);

  Context& context_;
  Denoiser& prior_;
  Schedule schedule_;
  TiltSearchOptions options_;
  Evaluation at_;
};

struct TurbulenceEmResult {
  Tensor image;  ///< (1, C, H, W)
  Tensor tilt;   ///< (1, 2, H, W), in pixels
};

/// Called after every step, with its number from 0 on over all walks, and the solver.
using TurbulenceEmObserver = std::function<void(int executed, const Solver& solver)>;

/// Image and displacements from y (1, C, H, W) = k * warp(x, phi) + noise of standard deviation `sigma`, the
/// blur's edges joined, k known or estimated: `rounds` walks of the solver from noise to an image, each step
/// of it followed by `search`, then one with the displacements found, for the image of a walk is made while
/// they still move. They start at 0. `search` empty: they stay there. The solver has the settings of its row.
/// Errors: those of the solver and of `TiltSearch`; a solver that does not suit a linear operator.
TurbulenceEmResult turbulence_em(Context& context, const SolverKind& kind, Denoiser& prior,
                                 const Schedule& schedule, const Tensor& kernel, Tensor y, double sigma,
                                 int rounds, TiltSearch* search, NoiseSource& noise,
                                 const TurbulenceEmObserver& observer = {});

}  // namespace tweedie
