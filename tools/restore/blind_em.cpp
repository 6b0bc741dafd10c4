// Fast Diffusion EM: no prior of the kernel, but the most likely one for the image as it comes about.
#include <cmath>

#include "operators/fast_em.hpp"
#include "operators/spectral_kernel.hpp"
#include "tools/restore/blind.hpp"

namespace tweedie {
namespace {

constexpr Setting settings[] = {
    Setting::text(
        "start", "spectrum", "spectrum, point",
        "kernel before the first update: what the spectrum of photographs says, or no blur; with the "
        "analytic prior always the former"),
    Setting::number("zeta", Setting::none, 0, Setting::unbounded, "step size of the image; default 1"),
    Setting::whole("em_iterations", 10, 1, 100000, "half-quadratic iterations of an update of the kernel"),
    Setting::positive("coupling", 1e5, "how strongly the two halves of an update are tied"),
    Setting::whole("first_update", 0, 0, 1 << 20, "steps before the kernel is updated"),
    Setting::number("threshold", 0.1, 0, 1,
                    "share of the kernel's maximum below which it is haze and removed"),
};

bool circular(const BlindProblem& b) {
  return b.problem.description().settings.text("padding") == "circular";
}

void require_suits(const BlindProblem& b) {
  require(b.row().unknowns.size() == 1, "task ", b.problem.task,
          ": --method fast-em finds a kernel and nothing else; use blind-dps");
  require(circular(b), "task ", b.problem.task,
          ": --method fast-em works on joined edges; this was measured with padding ",
          b.problem.description().settings.text("padding"), ", expected circular");
  require(b.problem.padded == b.problem.image, "task ", b.problem.task,
          ": --method fast-em works on joined edges: the prior needs sides that are multiples of ",
          b.prior.stride(), ", the image has ", b.problem.image);
  require(b.prior.network || b.options.samples == 1,
          "--samples: with the analytic prior fast-em finds the mean, of which there is one");
}

/// The analytic prior's moments are known: the kernel by its spectrum, the image by the posterior's mean.
BlindFound by_spectrum(BlindProblem& b, const SpectralKernelOptions& o, const BlindProgress& progress) {
  const Tensor& y = b.problem.y();
  const SpectralKernel found = spectral_kernel(b.context, *b.prior.spectrum, y, o);
  progress(0, std::nullopt);
  return {spectral_mean(b.context, *b.prior.spectrum, y, found, o.sigma), {{"kernel", found.kernel}}};
}

BlindFound run(BlindProblem& b, const BlindProgress& progress) {
  Context& context = b.context;
  const Settings& s = *b.options.settings;
  const Shape kernel = b.shape("kernel");
  SpectralKernelOptions spectral;
  spectral.rows = kernel.H, spectral.columns = kernel.W;
  spectral.sigma = b.sigma();
  spectral.threshold = s.number("threshold");
  if (b.prior.spectrum) return by_spectrum(b, spectral, progress);

  FastEmOptions o;
  o.kernel.rows = kernel.H, o.kernel.columns = kernel.W;
  o.kernel.sigma = b.sigma();
  o.kernel.coupling = s.number("coupling");
  o.kernel.iterations = s.integer("em_iterations");
  o.zeta = s.stated("zeta") ? s.number("zeta") : 1;
  o.first_update = s.integer("first_update");
  if (s.text("start") == "spectrum") {
    SpectrumPrior photographs(context);
    o.start = spectral_kernel(context, photographs, b.problem.y(), spectral).kernel;
  }
  SamplerOptions sampler;
  sampler.variance = b.prior.variance();
  ContextNoise noise(context);
  FastEmResult found = fast_em(
      context, b.prior.denoiser(), b.schedule, sampler, o, context.normal(b.problem.image), b.problem.y(),
      noise, {}, [&](int executed, const Tensor&, const Tensor&) { progress(executed, std::nullopt); });
  std::vector<float> values = context.download(found.kernel);
  remove_haze(values, kernel.H, kernel.W, spectral.threshold);
  return {found.image, {{"kernel", context.upload(kernel, values)}}};
}

std::string note(const Prior& prior) {
  return prior.network ? ""
                       : "the analytic prior sees no phase: only a symmetric kernel can be found; of any "
                         "other, one with about its spectrum";
}

}  // namespace

const BlindKind fast_em_kind{
    "fast-em",
    "Fast Diffusion EM: the kernel in closed form, without a prior of its own (blind_blur)",
    settings,
    require_suits,
    [](const BlindProblem& b) { return b.prior.network ? b.schedule.steps() : 1; },
    run,
    "padding=circular kernel_size=33",
    nullptr,
    note};

}  // namespace tweedie
