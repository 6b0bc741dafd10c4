#include "operators/fast_em.hpp"

#include <vector>

#include "engine/joint.hpp"
#include "operators/convolution.hpp"

namespace tweedie {

FastEmResult fast_em(Context& context, Denoiser& prior, const Schedule& schedule,
                     const SamplerOptions& sampler, const FastEmOptions& options, Tensor x, Tensor y,
                     NoiseSource& noise, KernelProximal proximal, const FastEmObserver& observer) {
  require(options.first_update >= 0, "Fast EM: the kernel's first update after ", options.first_update,
          " steps");
  KernelMap map(context, options.kernel, std::move(proximal));
  Convolution blur(context, Padding::circular);
  JointMisfit misfit(context, blur, y);
  WalkerOptions of_image, of_kernel;
  of_image.name = "image";
  of_image.step = {StepRule::Kind::sqrt_abar, options.zeta};
  of_image.clip = options.clip;
  of_kernel.name = "kernel";
  of_kernel.step = {StepRule::Kind::constant, 0};  // it moves by its own steps
  std::vector<Walker> walkers;
  walkers.reserve(2);
  walkers.emplace_back(context, of_image, &prior, nullptr, schedule, sampler, noise);
  walkers.emplace_back(context, of_kernel, nullptr, nullptr, schedule, sampler, noise);
  walkers[0].x = std::move(x);
  walkers[1].x = options.start ? options.start : map.delta();
  joint_sample(walkers, misfit, [&](int executed) {
    const Tensor& x0 = walkers[0].evaluation().x0;
    if (executed >= options.first_update) walkers[1].x = map.solve(x0, y, walkers[1].x);
    if (observer) observer(executed, x0, walkers[1].x);
    return true;
  });
  return {walkers[0].x, walkers[1].x};
}

}  // namespace tweedie
