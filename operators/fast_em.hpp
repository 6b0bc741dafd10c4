// Blind deblurring by expectation and maximisation along the sampler's way: Fast Diffusion EM.
#pragma once

#include <functional>

#include "engine/denoiser.hpp"
#include "engine/sampler.hpp"
#include "operators/kernel_map.hpp"

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

}  // namespace tweedie
