// Blind deblurring by expectation and maximisation along the sampler's way: Fast Diffusion EM.
#pragma once

#include <functional>
#include <span>

#include "engine/denoiser.hpp"
#include "engine/sampler.hpp"
#include "engine/solvers/solver.hpp"
#include "operators/kernel_map.hpp"
#include "operators/kernel_scales.hpp"

namespace tweedie {

struct FastEmOptions {
  KernelMapOptions kernel;
  double zeta = 1;       ///< the image moves zeta sqrt(abar_t) against its gradient (DPS)
  double clip = 1;       ///< x0_hat is limited to [-clip, clip]; 0: not
  int first_update = 0;  ///< executed steps before the kernel's first update
  Tensor start;          ///< the kernel before it, (1, 1, rows, columns); empty: a point
};

struct FastEmResult {
  Tensor image;   ///< the last states, (N, C, H, W)
  Tensor kernel;  ///< (1, 1, rows, columns), on the simplex
};

/// Called after every step, with its number from 0 on, the estimates x0_hat and the kernel.
using FastEmObserver = std::function<void(int executed, const Tensor& x0, const Tensor& kernel)>;

/// Image and kernel from y (1 or N, C, H, W), the image correlated with an unknown kernel, continued by
/// itself, plus noise (Laroche, Almansa & Coupete, WACV 2024, with DPS for their expectation step). x (N, C,
/// H, W) holds N starts from noise: samples that share the kernel. Every step of the schedule is one of DPS
/// with the present kernel, followed by `KernelMap::solve` on the estimates x0_hat. The kernel starts as a
/// point, or as it is given. The memory of the kernel's gradient is spent, not used. Errors: those of
/// `JointMisfit::step` and of `KernelMap`.
FastEmResult fast_em(Context& context, Denoiser& prior, const Schedule& schedule,
                     const SamplerOptions& sampler, const FastEmOptions& options, Tensor x, Tensor y,
                     NoiseSource& noise, KernelProximal proximal = {}, const FastEmObserver& observer = {});

struct FastEmWalks {
  int rounds = 1;        ///< walks at each scale
  int samples = 1;       ///< images side by side, of which the mean finds the kernel; at the finest scale one
  int first_update = 0;  ///< executed steps of the first walk before the kernel's first update
  double threshold = 0.1;  ///< of the kernel's largest pixel; see `HazeRemoval`
  /// What a trained prior makes of a kernel, before its haze is removed; at the finest scale alone, for
  /// coarser ones have other kernels. Empty: nothing.
  KernelProximal denoise = {};
  double kernel_noise = 0.02;  ///< what `denoise` is given
};

/// Called after every step, with its number from 0 on over all walks, the solver and the kernel.
using FastEmWalkObserver = std::function<void(int executed, const Solver& solver, const Tensor& kernel)>;

/// The same with another solver than DPS for the expectation: rounds of walks from noise to an image that
/// find the kernel, each from the last one's, from the coarsest scale to the finest, and one with the kernel
/// that was found, as the image of a walk is made while its kernel still moves, and fits none of them. Every
/// step of the solver is followed by `KernelMap::solve` on its estimate.
///
/// A kernel is what is left without its haze, at every step: least squares make noise of what the image's
/// estimate does not show yet, and by the next walk that noise would have grown. A scale may not fall back to
/// the solution that explains every blurred picture, itself unblurred (Levin et al., CVPR 2009): once a
/// coarser scale has found a kernel, one of less than half its width is not taken.
///
/// `scales` as `kernel_scales` makes them, one sample each; `start` is the first one's kernel. The solver has
/// the settings of its row. Errors: those of the solver and of `KernelMap`; a solver that does not suit a
/// blur.
FastEmResult fast_em_walks(Context& context, const SolverKind& kind, Denoiser& prior,
                           const Schedule& schedule, const FastEmWalks& options,
                           std::span<const KernelScale> scales, Tensor start, NoiseSource& noise,
                           const FastEmWalkObserver& observer = {});

}  // namespace tweedie
