// Wiener's filter for any linear operator.
#pragma once

#include "engine/forward_operator.hpp"
#include "engine/solvers/estimate.hpp"
#include "engine/spectrum_prior.hpp"

namespace tweedie {

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

}  // namespace tweedie
