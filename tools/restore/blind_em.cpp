// Fast Diffusion EM: not a walk of the other unknowns, but the most likely ones for the image as it comes
// about.
#include "operators/fast_em.hpp"

#include <algorithm>
#include <string_view>

#include "operators/kernel_denoiser.hpp"
#include "operators/kernel_haze.hpp"
#include "operators/spectral_kernel.hpp"
#include "operators/turbulence_em.hpp"
#include "tools/restore/blind.hpp"

namespace tweedie {
namespace {

constexpr Setting settings[] = {
    Setting::text(
        "start", "point", "spectrum, point",
        "kernel before the first update: what the spectrum of photographs says, or no blur; with the "
        "analytic prior always the former"),
    Setting::text("expectation", "pigdm", "pigdm, diffpir, dps", "how the image moves in a step"),
    Setting::whole("rounds", 1, 1, 1000,
                   "walks from noise that find the kernel at each scale; one with it found follows"),
    Setting::whole("scales", 3, 1, 8,
                   "sizes at which the kernel is found, the coarsest first, each half of the next"),
    Setting::whole("em_samples", 4, 1, 1000,
                   "images drawn side by side, whose mean finds the kernel; at the finest scale it is one"),
    Setting::number("zeta", Setting::none, 0, Setting::unbounded,
                    "step size of the image, expectation dps; default 1"),
    Setting::whole("em_iterations", 10, 1, 100000, "half-quadratic iterations of an update of the kernel"),
    Setting::positive("coupling", 1e5, "how strongly the two halves of an update are tied"),
    Setting::whole("first_update", 0, 0, 1 << 20, "steps before the kernel is updated"),
    Setting::number("threshold", 0.1, 0, 1,
                    "share of the kernel's maximum below which it is haze and removed"),
    Setting::number("kernel_noise", 0.02, 0, 1,
                    "noise that the kernel's prior removes, of the kernel's maximum; 0: no such prior"),
    Setting::number(
        "tilt_step", 0.25, 0, Setting::unbounded,
        "length of the displacements' steps, in square pixels for [-1, 1] images; 0: they stay 0"),
    Setting::whole("tilt_iterations", 1, 1, 100000, "steps of the displacements after one of the image"),
};

using Names = std::span<const std::string_view>;
bool has(Names names, const Setting& row) {
  return std::ranges::find(names, std::string_view(row.name)) != names.end();
}
// What only walks of a solver have, not DPS and not the analytic prior.
constexpr std::string_view walks_have[] = {"rounds", "scales", "em_samples", "kernel_noise"};
// What only turbulence has, and what it shares with a blur.
constexpr std::string_view air_has[] = {"tilt_step", "tilt_iterations"};
constexpr std::string_view shared[] = {"expectation", "rounds", "threshold"};
// What only displacements that are looked for have.
constexpr std::string_view of_search[] = {"rounds", "tilt_iterations"};

/// Displacements, besides a kernel.
bool is_air(const BlindRow& row) { return row.unknowns.size() > 1; }

bool circular(const BlindProblem& b) {
  return b.problem.description().settings.text("padding") == "circular";
}

bool asks_prior(const Settings& s, bool network, const BlindRow& row, std::string_view unknown) {
  if (is_air(row)) return unknown == "tilt" && s.number("tilt_step") > 0;
  return network && s.text("expectation") != "dps" && s.number("kernel_noise") > 0;
}

/// That every setting which was stated is of use to this problem.
void require_of_use(const BlindProblem& b) {
  const Settings& s = *b.options.settings;
  const bool air = is_air(b.row()), closed = b.prior.spectrum != nullptr,
             dps = !closed && s.text("expectation") == "dps";
  for (const Setting& row : settings) {
    if (!s.stated(row.name)) continue;
    require(air ? has(air_has, row) || has(shared, row) : !has(air_has, row), option_of(row),
            ": means nothing to --method fast-em with task ", b.problem.task);
    require(!air || s.number("tilt_step") > 0 || !has(of_search, row), option_of(row),
            ": means nothing with --tilt-step 0");
    require(!has(walks_have, row) || !(closed || dps), option_of(row), ": means nothing to --method fast-em ",
            closed ? "with the analytic prior, which solves at once"
                   : "with --expectation dps, which walks once");
  }
}

/// Of the squares that a prior of kernels was trained on.
int side_of(const Prior& prior) { return prior.network->unet->config().image_size; }

void require_suits(const BlindProblem& b) {
  const bool air = is_air(b.row());
  require(
      !air || b.prior.network, "task ", b.problem.task,
      ": --method fast-em wants a trained prior of the image, of its channels, and sides that it takes: see "
      "--prior and --weights");
  require(circular(b), "task ", b.problem.task,
          ": --method fast-em works on joined edges; this was measured with padding ",
          b.problem.description().settings.text("padding"), ", expected circular");
  require(b.problem.padded == b.problem.image, "task ", b.problem.task,
          ": --method fast-em works on joined edges: the prior needs sides that are multiples of ",
          b.prior.stride(), ", the image has ", b.problem.image);
  require(b.prior.spectrum || b.shape("kernel").H % 2 == 1, "task ", b.problem.task, ": a kernel of ",
          b.shape("kernel").H, " pixels; --method fast-em expects an odd number: see --kernel-size");
  require_of_use(b);
  const Settings& s = *b.options.settings;
  require(!air || s.text("expectation") != "dps", "task ", b.problem.task,
          ": --expectation dps finds no displacements; expected pigdm or diffpir");
  require(!air || s.number("tilt_step") == 0 || b.priors.contains("tilt"), "task ", b.problem.task,
          ": no prior of the tilt ships here: give --tilt-weights, or --tilt-step 0");
  if (const auto its = b.priors.find("kernel"); its != b.priors.end())
    require(b.shape("kernel").H <= side_of(its->second), "task ", b.problem.task, ": a kernel of ",
            b.shape("kernel").H, " pixels, its prior knows ", side_of(its->second),
            ": see --kernel-size; --kernel-noise 0 does without a prior");
  for (const auto& [unknown, prior] : b.priors)
    require(unknown == "kernel" || b.padded(unknown) == b.shape(unknown), "task ", b.problem.task,
            ": the prior of the ", unknown, " needs sides that are multiples of ", prior.stride(),
            ", the image has ", b.problem.image);
  require(b.prior.network || b.options.samples == 1,
          "--samples: with the analytic prior fast-em finds the mean, of which there is one");
}

SpectralKernelOptions spectral_options(const BlindProblem& b, int rows, int columns, double sigma) {
  SpectralKernelOptions o;
  o.rows = rows, o.columns = columns;
  o.sigma = sigma;
  o.threshold = b.options.settings->number("threshold");
  return o;
}

/// The kernel before the first update.
Tensor start_of(BlindProblem& b, const Tensor& y, const KernelMapOptions& o) {
  if (b.options.settings->text("start") == "point") return KernelMap(b.context, o).delta();
  SpectrumPrior photographs(b.context);
  return spectral_kernel(b.context, photographs, y, spectral_options(b, o.rows, o.columns, o.sigma)).kernel;
}

/// The analytic prior's moments are known: the kernel by its spectrum, the image by the posterior's mean.
BlindFound by_spectrum(BlindProblem& b, const SpectralKernelOptions& o, const BlindProgress& progress) {
  const Tensor& y = b.problem.y();
  const SpectralKernel found = spectral_kernel(b.context, *b.prior.spectrum, y, o);
  progress(0, std::nullopt);
  return {spectral_mean(b.context, *b.prior.spectrum, y, found, o.sigma), {{"kernel", found.kernel}}};
}

int scales_of(const BlindProblem& b) {
  return scale_count(b.problem.image, b.shape("kernel"), b.options.settings->integer("scales"),
                     b.prior.stride());
}

FastEmResult by_solver(BlindProblem& b, const SolverKind& kind, const FastEmOptions& o, double threshold,
                       const BlindProgress& progress) {
  Context& context = b.context;
  const std::vector<KernelScale> scales =
      kernel_scales(context, b.problem.y(), o.kernel, scales_of(b), b.prior.stride());
  const Settings& s = *b.options.settings;
  FastEmWalks walks{s.integer("rounds"), s.integer("em_samples"), o.first_update, threshold};
  std::optional<KernelDenoiser> denoiser;
  if (const auto its = b.priors.find("kernel"); its != b.priors.end()) {
    denoiser.emplace(context, its->second.denoiser(), its->second.schedule(0), side_of(its->second));
    walks.denoise = std::ref(*denoiser);
    walks.kernel_noise = s.number("kernel_noise");
  }
  ContextNoise noise(context);
  return fast_em_walks(context, kind, b.prior.denoiser(), b.schedule, walks, scales,
                       start_of(b, scales.front().y, scales.front().kernel), noise,
                       [&](int executed, const Solver& solver, const Tensor&) {
                         progress(executed, distance(context, solver));
                       });
}

/// The long exposure of turbulent air is symmetric: its kernel is whole in the spectrum, and displacements by
/// less than its width leave it there.
BlindFound by_turbulence(BlindProblem& b, const BlindProgress& progress) {
  Context& context = b.context;
  const Settings& s = *b.options.settings;
  const Shape of_kernel = b.shape("kernel");
  const Tensor& y = b.problem.y();
  SpectrumPrior photographs(context);
  const Tensor kernel =
      spectral_kernel(context, photographs, y, spectral_options(b, of_kernel.H, of_kernel.W, b.sigma()))
          .kernel;
  std::optional<TiltSearch> map;
  if (const auto its = b.priors.find("tilt"); its != b.priors.end())
    map.emplace(context, its->second.denoiser(), its->second.schedule(0),
                TiltSearchOptions{b.sigma(), s.number("tilt_step"), s.integer("tilt_iterations")});
  ContextNoise noise(context);
  const TurbulenceEmResult found = turbulence_em(
      context, solver_kind(s.text("expectation")), b.prior.denoiser(), b.schedule, kernel, y, b.sigma(),
      s.integer("rounds"), map ? &*map : nullptr, noise,
      [&](int executed, const Solver& solver) { progress(executed, distance(context, solver)); });
  return {found.image, {{"kernel", kernel}, {"tilt", found.tilt}}};
}

BlindFound run(BlindProblem& b, const BlindProgress& progress) {
  if (is_air(b.row())) return by_turbulence(b, progress);
  Context& context = b.context;
  const Settings& s = *b.options.settings;
  const Shape kernel = b.shape("kernel");
  if (b.prior.spectrum) return by_spectrum(b, spectral_options(b, kernel.H, kernel.W, b.sigma()), progress);

  FastEmOptions o;
  o.kernel.rows = kernel.H, o.kernel.columns = kernel.W;
  o.kernel.sigma = b.sigma();
  o.kernel.coupling = s.number("coupling");
  o.kernel.iterations = s.integer("em_iterations");
  o.zeta = s.stated("zeta") ? s.number("zeta") : 1;
  o.first_update = s.integer("first_update");
  const std::string expectation = s.text("expectation");
  FastEmResult found;
  if (expectation == "dps") {
    SamplerOptions sampler;
    sampler.variance = b.prior.variance();
    ContextNoise noise(context);
    o.start = start_of(b, b.problem.y(), o.kernel);
    found = fast_em(context, b.prior.denoiser(), b.schedule, sampler, o, context.normal(b.problem.image),
                    b.problem.y(), noise, {},
                    [&](int executed, const Tensor&, const Tensor&) { progress(executed, std::nullopt); });
    HazeRemoval{s.number("threshold")}(context, found.kernel);
  } else {
    found = by_solver(b, solver_kind(expectation), o, s.number("threshold"), progress);
  }
  return {found.image, {{"kernel", found.kernel}}};
}

std::string note(const Prior& prior, const BlindRow& row) {
  if (prior.network && !is_air(row)) return "";
  return message(is_air(row) ? "the kernel is found by its spectrum, without phases"
                             : "the analytic prior sees no phase",
                 ": only a symmetric kernel can be found; of any other, one with about its spectrum");
}

int steps_of(const BlindProblem& b) {
  if (b.prior.spectrum) return 1;
  if (b.options.settings->text("expectation") == "dps") return b.schedule.steps();
  const int scales = is_air(b.row()) ? 1 : scales_of(b);
  return b.schedule.steps() * fast_em_walk_count(*b.options.settings, b.row(), scales);
}

}  // namespace

int fast_em_walk_count(const Settings& settings, const BlindRow& row, int scales) {
  if (is_air(row)) return settings.number("tilt_step") > 0 ? settings.integer("rounds") + 1 : 1;
  return settings.integer("rounds") * scales + 1;
}

int fast_em_draw_count(const Settings& settings, const BlindRow& row, int scales) {
  if (is_air(row)) return fast_em_walk_count(settings, row, 1);
  return settings.integer("rounds") * ((scales - 1) * settings.integer("em_samples") + 1) + 1;
}

const BlindKind fast_em_kind{
    "fast-em",
    "Fast Diffusion EM: the kernel in closed form, the tilt by gradient steps, cleared by priors that ship",
    settings,
    require_suits,
    [](const BlindProblem& b) { return steps_of(b); },
    run,
    "padding=circular kernel_size=33",
    nullptr,
    note,
    [](const Settings& s) { return s.text("expectation") == "dps" ? 0 : 50; },
    asks_prior};

}  // namespace tweedie
