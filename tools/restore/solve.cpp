#include "tools/restore/solve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/progress.hpp"
#include "tools/restore/method.hpp"
#include "weights/settings_json.hpp"
#include "weights/unet_config.hpp"

namespace tweedie {
namespace {

/// The step size of the operator's row; a network is one of ImageNet when it has the configuration of that.
double default_zeta(const Problem& p, const Prior& prior) {
  const StepSizes& z = p.description().kind->steps;
  const bool poisson = p.noise.kind == NoiseKind::poisson;
  // Residuals weighted in photons are 127.5 rate / sqrt(2 counts) times as large, 8 sqrt(rate) at mid
  // grey: 10.
  if (!prior.network)
    return z.spectrum * std::sqrt(double(p.y().shape().size())) /
           (poisson ? 10 * std::sqrt(p.noise.rate) : 1);
  if (poisson) return z.poisson;
  return prior.network->unet->config() == preset("imagenet256").unet ? z.imagenet : z.ffhq;
}

/// The method's settings, with what the problem and the prior say where nothing is stated.
Settings settings_of(const Options& o, const Problem& p, const Prior& prior) {
  Settings s = *o.settings;
  if (s.knows("zeta") && !s.stated("zeta")) s.set("zeta", default_zeta(p, prior));
  const int factor = p.description().factor();
  if (s.knows("factor") && factor > 1) s.set("factor", std::int64_t(factor));
  return s;
}

Schedule schedule_of(const Options& o, const Prior& prior, const SolverKind& kind) {
  if (o.steps == 0 && !o.respacing.empty()) return prior.schedule(o.respacing);
  const DiffusionConfig diffusion = prior.network ? prior.network->diffusion : DiffusionConfig{};
  return schedule_of(kind, diffusion.noise_schedule, diffusion.steps, o.steps);
}

/// Everything that is the same in all runs.
struct Plan {
  const SolverKind& kind;
  Settings settings;
  Schedule schedule;
  Likelihood likelihood;
  int restarts;
};

Run run_once(Context& context, Plan& plan, const Options& o, const Problem& p, const Prior& prior,
             const std::string& label, int& steps) {
  ContextNoise noise(context);
  Posterior posterior{context, prior.denoiser(), plan.schedule, plan.likelihood, p.padded, noise};
  const std::unique_ptr<Solver> solver = plan.kind.make(plan.settings, posterior);
  steps = solver->steps(posterior);
  Progress progress(label, steps, o.quiet ? ProgressStyle::quiet : ProgressStyle::automatic);
  const Tensor x = solve(*solver, posterior, [&](int executed, const Tensor&) {
    const std::optional<double> misfit = distance(context, *solver);
    require(std::isfinite(misfit.value_or(0)), "the sampler diverged at step ", executed + 1, " of ", steps,
            plan.settings.knows("zeta") && !plan.settings.worded("zeta")
                ? message(": try a smaller --zeta than ", plan.settings.number("zeta"))
                : std::string());
    progress.update(executed + 1, misfit);
    return true;
  });
  Run run;
  run.seconds_per_step = progress.seconds_per_step();
  const Image unclipped{p.padded.C, p.padded.H, p.padded.W, context.download(x)}, full = clipped(unclipped);
  run.misfit = p.misfit(context, context.upload(p.padded, full.data));
  run.restored = crop(full, 0, 0, p.image.H, p.image.W);
  run.unclipped = crop(unclipped, 0, 0, p.image.H, p.image.W);
  return run;
}

std::string label_of(const Options& o, int sample, int run, int restarts) {
  std::string label = o.samples == 1 ? "restore" : fmt::format("sample {}/{}", sample + 1, o.samples);
  if (restarts > 1) label += fmt::format(", run {}/{}", run + 1, restarts);
  return label;
}

/// For the report: the steps of the reverse process, and how it is guided.
Json describe(const Plan& plan, const Options& o, int steps) {
  const Json values = to_json(plan.settings, true);
  Json guidance{{"name", plan.kind.name}}, sampler{{"steps", steps}};
  constexpr const char* of_sampler[] = {"variance",    "eta", "parameterisation",
                                        "corrections", "snr", "no_clip"};
  for (const auto& [key, value] : values.items()) {
    const bool steps_it =
        std::find(std::begin(of_sampler), std::end(of_sampler), key) != std::end(of_sampler);
    if (key == "sampler")
      sampler["name"] = value;
    else
      (steps_it && plan.settings.knows("sampler") ? sampler : guidance)[key] = value;
  }
  guidance["compat"] = o.compat;
  guidance["restarts"] = plan.restarts;
  return {{"sampler", sampler}, {"guidance", guidance}};
}

}  // namespace

Solution solve(Context& context, const Options& o, const Problem& p, const Prior& prior, SampleStore& store,
               const std::function<void()>& ready) {
  const MethodRow method = find_method(o.method);
  if (method.estimate) return method.estimate->run(context, o, p, ready);
  if (method.blind) return solve_blind(context, o, p, prior, *method.blind, store, ready);
  Plan plan{*method.solver, settings_of(o, p, prior), schedule_of(o, prior, *method.solver),
            Likelihood(context, *p.op, p.y(), p.noise_model()),
            o.restarts > 0 ? o.restarts : p.description().restarts()};
  if (const auto reason = refusal(plan.kind, *p.op, p.noise_model(), p.padded))
    throw Error(message("task ", p.task, ": ", *reason));
  ready();
  Solution solution;
  int steps = plan.schedule.steps();
  for (int i = 0; i < o.samples; ++i) {
    if (std::optional<Sample> finished = store.read(i)) {
      solution.samples.push_back(std::move(*finished));
      continue;
    }
    Sample sample;
    for (int k = 0; k < plan.restarts; ++k) {
      context.start_stream(std::uint64_t(i) * std::uint64_t(plan.restarts) + std::uint64_t(k) + 1);
      sample.runs.push_back(run_once(context, plan, o, p, prior, label_of(o, i, k, plan.restarts), steps));
    }
    sample.best = *std::min_element(sample.runs.begin(), sample.runs.end(),
                                    [](const Run& a, const Run& b) { return a.misfit < b.misfit; });
    store.write(i, sample);
    solution.samples.push_back(std::move(sample));
  }
  solution.settings = describe(plan, o, steps);
  return solution;
}

}  // namespace tweedie
