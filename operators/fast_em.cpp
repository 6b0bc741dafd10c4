#include "operators/fast_em.hpp"

#include <utility>
#include <vector>

#include "engine/joint.hpp"
#include "operators/convolution.hpp"
#include "operators/kernel_haze.hpp"
#include "operators/moving_blur.hpp"

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

namespace {

/// The walks of one scale: the kernel stands in the operator.
class ScaleWalks {
 public:
  ScaleWalks(Context& context, const SolverKind& kind, Denoiser& prior, const Schedule& schedule,
             const KernelScale& scale, const FastEmWalks& options, bool finest, NoiseSource& noise)
      : context_(context),
        kind_(kind),
        scale_(scale),
        blur_(context, scale.y.shape()),
        likelihood_(context, blur_, scale.y, {scale.kernel.sigma, 0}),
        posterior_{context, prior, schedule, likelihood_, scale.y.shape(), noise},
        options_(options),
        denoises_(finest && options.denoise),
        haze_(options.threshold),
        map_(context, scale.kernel, [this](Tensor& k, double) { clear(k); }) {
    if (const auto reason = refusal(kind, blur_, likelihood_.noise(), scale.y.shape())) throw Error(*reason);
  }

  double width(const Tensor& kernel) {
    context_.download(values_, kernel);
    return kernel_width(values_, scale_.kernel.rows, scale_.kernel.columns);
  }
  /// From noise to images. `follow` may move the kernel after each step.
  Tensor walk(int samples, Tensor& kernel,
              const std::function<void(int executed, const Solver& solver)>& follow) {
    blur_.set(kernel);
    posterior_.image.N = samples;
    const std::unique_ptr<Solver> solver =
        kind_.make(Settings(message("--method ", kind_.name), kind_.settings), posterior_);
    return solve(*solver, posterior_, [&](int executed, const Tensor&) {
      follow(executed, *solver);
      return true;
    });
  }
  /// The next kernel, unless it is narrower than `least`; it is the operator's from here on.
  void update(Tensor& kernel, const Tensor& estimate, double least) {
    Tensor last = std::exchange(kernel, map_.solve(estimate, scale_.y, kernel));
    if (least > 0 && width(kernel) < least) kernel = std::move(last);
    blur_.set(kernel);
  }

 private:
  void clear(Tensor& kernel) {
    if (denoises_) options_.denoise(kernel, options_.kernel_noise);
    haze_(context_, kernel);
  }

  Context& context_;
  const SolverKind& kind_;
  const KernelScale& scale_;
  MovingBlur blur_;
  Likelihood likelihood_;
  Posterior posterior_;
  const FastEmWalks& options_;
  bool denoises_;
  HazeRemoval haze_;
  KernelMap map_;
  std::vector<float> values_;
};

}  // namespace

FastEmResult fast_em_walks(Context& context, const SolverKind& kind, Denoiser& prior,
                           const Schedule& schedule, const FastEmWalks& options,
                           std::span<const KernelScale> scales, Tensor start, NoiseSource& noise,
                           const FastEmWalkObserver& observer) {
  require(!scales.empty() && options.rounds > 0 && options.samples > 0, "Fast EM: ", options.rounds,
          " rounds of ", options.samples, " samples at ", scales.size(),
          " scales; expected 1 or more of each");
  Tensor kernel = std::move(start), x;
  int steps = 0;  // of all walks so far
  bool found = false;
  for (const KernelScale& scale : scales) {
    const bool finest = &scale == &scales.back();
    ScaleWalks at(context, kind, prior, schedule, scale, options, finest, noise);
    if (found) kernel = doubled_kernel(context, kernel, scale.kernel.rows, scale.kernel.columns);
    const double least = found ? at.width(kernel) / 2 : 0;
    const auto observe = [&](const Solver& solver) {
      if (observer) observer(steps, solver, kernel);
      ++steps;
    };
    for (int round = 0; round < options.rounds; ++round, found = true)
      at.walk(finest ? 1 : options.samples, kernel, [&](int executed, const Solver& solver) {
        if (found || executed >= options.first_update) at.update(kernel, solver.estimate(), least);
        observe(solver);
      });
    if (finest) x = at.walk(1, kernel, [&](int, const Solver& solver) { observe(solver); });
  }
  return {std::move(x), std::move(kernel)};
}

}  // namespace tweedie
