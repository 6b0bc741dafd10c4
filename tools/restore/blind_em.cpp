// Fast Diffusion EM: no prior of the kernel, but the most likely one for the image as it comes about.
#include <cmath>

#include "operators/circular.hpp"
#include "operators/fast_em.hpp"
#include "operators/spectral_kernel.hpp"
#include "tools/restore/blind.hpp"

namespace tweedie {
namespace {

constexpr Setting settings[] = {
    Setting::text(
        "start", "point", "spectrum, point",
        "kernel before the first update: what the spectrum of photographs says, or no blur; with the "
        "analytic prior always the former"),
    Setting::text("expectation", "pigdm", "pigdm, diffpir, dps", "how the image moves in a step"),
    Setting::whole("rounds", 2, 1, 1000, "walks from noise that find the kernel; one with it found follows"),
    Setting::number("zeta", Setting::none, 0, Setting::unbounded,
                    "step size of the image, expectation dps; default 1"),
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
  require(b.prior.spectrum || b.shape("kernel").H % 2 == 1, "task ", b.problem.task, ": a kernel of ",
          b.shape("kernel").H, " pixels; --method fast-em expects an odd number: see --kernel-size");
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

int solver_steps(const BlindProblem& b) {
  return (b.options.settings->integer("rounds") + 1) * b.schedule.steps();
}

/// One walk of a solver from noise to an image, in which the kernel follows the solver's estimates from step
/// `first_update` on.
Tensor walk(BlindProblem& b, const SolverKind& kind, KernelMap& map, Tensor& kernel, int first_update,
            const BlindProgress& progress, int before) {
  Context& context = b.context;
  const Tensor& y = b.problem.y();
  ContextNoise noise(context);
  std::unique_ptr<Solver> solver;
  Tensor x;
  for (int executed = 0; executed < b.schedule.steps(); ++executed) {
    CircularBlur blur(context, kernel, Direction::correlate);
    Likelihood likelihood(context, blur, y, {b.sigma(), 0});
    Posterior posterior{context, b.prior.denoiser(), b.schedule, likelihood, b.problem.image, noise};
    if (!solver) {
      solver = kind.make(Settings(message("--method ", kind.name), kind.settings), posterior);
      x = solver->start(posterior);
    }
    x = solver->step(posterior, std::move(x), executed);
    std::optional<double> distance;
    if (const auto& squared = solver->misfit_squared()) distance = std::sqrt(context.download(squared)[0]);
    progress(before + executed, distance);
    if (executed >= first_update) kernel = map.solve(solver->estimate(), y, kernel);
  }
  return x;
}

/// Rounds of walks that find the kernel, each from the last one's, and one with the kernel that was found:
/// the image of a walk is made while its kernel still moves, and fits none of them.
FastEmResult by_solver(BlindProblem& b, const SolverKind& kind, const FastEmOptions& o, double threshold,
                       const BlindProgress& progress) {
  KernelMap map(b.context, o.kernel);
  Tensor kernel = o.start ? o.start : map.delta();
  const int steps = b.schedule.steps(), rounds = b.options.settings->integer("rounds");
  for (int round = 0; round < rounds; ++round)
    walk(b, kind, map, kernel, round == 0 ? o.first_update : 0, progress, round * steps);
  std::vector<float> values = b.context.download(kernel);
  remove_haze(values, o.kernel.rows, o.kernel.columns, threshold);
  kernel = b.context.upload(kernel.shape(), values);
  Tensor x = walk(b, kind, map, kernel, steps, progress, rounds * steps);
  return {std::move(x), std::move(kernel)};
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
  const std::string expectation = s.text("expectation");
  FastEmResult found;
  if (expectation == "dps") {
    SamplerOptions sampler;
    sampler.variance = b.prior.variance();
    ContextNoise noise(context);
    found = fast_em(context, b.prior.denoiser(), b.schedule, sampler, o, context.normal(b.problem.image),
                    b.problem.y(), noise, {},
                    [&](int executed, const Tensor&, const Tensor&) { progress(executed, std::nullopt); });
  } else {
    found = by_solver(b, solver_kind(expectation), o, spectral.threshold, progress);
  }
  std::vector<float> values = context.download(found.kernel);
  remove_haze(values, kernel.H, kernel.W, spectral.threshold);
  return {found.image, {{"kernel", context.upload(kernel, values)}}};
}

std::string note(const Prior& prior) {
  return prior.network ? ""
                       : "the analytic prior sees no phase: only a symmetric kernel can be found; of any "
                         "other, one with about its spectrum";
}

int steps_of(const BlindProblem& b) {
  if (b.prior.spectrum) return 1;
  return b.options.settings->text("expectation") == "dps" ? b.schedule.steps() : solver_steps(b);
}

}  // namespace

const BlindKind fast_em_kind{
    "fast-em",
    "Fast Diffusion EM: the kernel in closed form, without a prior of its own (blind_blur)",
    settings,
    require_suits,
    [](const BlindProblem& b) { return steps_of(b); },
    run,
    "padding=circular kernel_size=33",
    nullptr,
    note};

}  // namespace tweedie
