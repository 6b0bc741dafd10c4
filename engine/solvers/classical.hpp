// Classical estimates of an image from a linear measurement: no network, no sampling.
#pragma once

#include <vector>

#include "engine/forward_operator.hpp"
#include "engine/solvers/estimate.hpp"

namespace tweedie {

/// The zero-filled image: A^+ y where the operator has a pseudo-inverse (pixels that were not observed are 0,
/// mid-grey), else the adjoint A^T y as it is, not scaled. y: (N, ...) as `op` measures images of shape
/// `image`. Errors: y of another shape.
Tensor zero_filled(LinearOperator& op, const Tensor& y, const Shape& image);

/// The defaults are those of the DPS paper's baseline for deblurring; for super-resolution and inpainting it
/// has rho = 1e-2.
struct AdmmTvOptions {
  double lambda = 2.7e-2;  ///< weight of the total variation, for images in [-1, 1]
  double rho = 1.4e-1;     ///< penalty of the splitting: changes the way, not the end
  int iterations = 300;    ///< at most
  double tolerance = 1e-3;
};

/// The image that minimises
///   1/2 |y - A x|^2 + lambda TV(x) , TV(x) = sum over pixels and channels of |(D x)| ,
/// D the differences to the next pixel along H and W (kernels/total_variation.hpp): isotropic, Neumann
/// boundary, each channel by itself (SCICO's L21Norm over its two finite differences, which the DPS paper
/// used). By the alternating direction method of multipliers (Boyd et al. 2011) with z = D x: the x-update
/// solves (A^T A + rho D^T D) x = A^T y + rho D^T (z - u) by at most 30 conjugate gradients from the last x,
/// the z-update shrinks. Residual, also for progress: the larger of the primal one, |D x - z| relative to the
/// larger of its terms, and the dual one, |D^T (z - z')| relative to |D^T u| (their section 3.3); done when
/// that of every sample is at most the tolerance. Starts from `zero_filled`.
/// Errors: y of another shape; lambda below 0, rho not above 0, fewer than one iteration.
Estimate admm_tv(Context& context, LinearOperator& op, const Tensor& y, const Shape& image,
                 const AdmmTvOptions& options, const SolverProgress& progress = {});

/// What `admm_tv` minimises, of each sample.
std::vector<double> tv_objective(Context& context, LinearOperator& op, const Tensor& x, const Tensor& y,
                                 double lambda);

}  // namespace tweedie
