// Classical estimates of an image from a linear measurement: no network, no sampling.
#pragma once

#include <vector>

#include "engine/conjugate_gradients.hpp"
#include "engine/forward_operator.hpp"
#include "engine/spectrum_prior.hpp"

namespace tweedie {

/// What an iterative method found, and how far it came.
struct Estimate {
  Tensor x;                      ///< the image (N, C, H, W); not clipped to [-1, 1]
  int iterations = 0;            ///< of the outermost loop
  std::vector<double> residual;  ///< of each sample; what it measures is said by each method
};

/// The zero-filled image: A^+ y where the operator has a pseudo-inverse (pixels that were not observed are 0,
/// mid-grey), else the adjoint A^T y as it is, not scaled. y: (N, ...) as `op` measures images of shape
/// `image`. Errors: y of another shape.
Tensor zero_filled(LinearOperator& op, const Tensor& y, const Shape& image);

/// In `wiener` a noise level below this, an eighth of a step of 8-bit pixels, is taken for it where the
/// system is that of the image (see there): without noise it has no bound.
inline constexpr double least_sigma = 1e-3;

/// The posterior mean under the spectrum prior x ~ N(0, S) and white Gaussian noise (Wiener's filter, for any
/// linear operator), by preconditioned conjugate gradients:
/// - where the operator measures pictures and has a pseudo-inverse or mixes the colours,
///   x = S A^T u, (A S A^T + sigma^2) u = y ,
///   preconditioned as if A were the identity on images of the measurement's size;
/// - elsewhere x = S^1/2 z, (S^1/2 A^T A S^1/2 + sigma^2) z = S^1/2 A^T y , preconditioned by 1 / (a S +
///   sigma^2), a what A^T A does to a mode on average, found by 8 random images: exact for circular blurs and
///   single-coil MRI, near it for other blurs and CT.
/// sigma: standard deviation in [-1, 1] units; 0 gives, by the first system, the image of largest prior
/// density among those that measure y exactly, by the second that of `least_sigma`, whose A x is 1e-5 (MRI)
/// to 1e-3 (blurs, CT) off y. The second converges slowly where colours are mixed (MRI of a gray picture),
/// the first where A is far from the identity (CT of one, a blur of one without noise). The system's
/// condition, S over sigma^2, can be 10^7: so the solution is refined, by residuals formed anew from it.
/// Residuals are those, relative to their start: of the first system in the Euclidean norm, of the second in
/// that of the preconditioner (about the error of A x relative to A x). They are above the tolerance where
/// `cap` iterations were not enough, or where with sigma 0 no image measures y. Progress: the largest one, as
/// far as known. Errors: y of another shape; sigma below 0.
Estimate wiener(Context& context, LinearOperator& op, SpectrumPrior& prior, const Tensor& y,
                const Shape& image, double sigma, const SolverProgress& progress = {},
                double tolerance = 1e-6, int cap = 1000);

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
