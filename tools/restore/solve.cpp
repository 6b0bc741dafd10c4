#include "tools/restore/solve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/solvers/solver.hpp"
#include "tools/progress.hpp"
#include "tools/restore/classical.hpp"
#include "tools/restore/method.hpp"
#include "weights/unet_config.hpp"

namespace tweedie {
namespace {

/// The step size of the table; a network is one of ImageNet when it has the configuration of that.
double default_zeta(const Problem& p, const Prior& prior) {
  const StepSizes& z = p.description().kind->steps;
  const bool poisson = p.noise.name == "poisson";
  // Residuals weighted in photons are 127.5 rate / sqrt(2 counts) times as large, 8 sqrt(rate) at mid
  // grey: 10.
  if (!prior.network)
    return z.spectrum * std::sqrt(double(p.y().shape().size())) /
           (poisson ? 10 * std::sqrt(p.noise.rate) : 1);
  if (poisson) return z.poisson;
  return prior.network->unet->config() == preset("imagenet256").unet ? z.imagenet : z.ffhq;
}

/// Everything that is the same in all runs.
struct Plan {
  Schedule schedule;
  const SolverKind* kind;
  Settings settings;
  int restarts = 1;
};

Settings settings_of(const Options& o, const Problem& p, const Prior& prior, const SolverKind& kind) {
  constexpr const char* variances[] = {"fixed_small", "fixed_large", "learned_range"};
  const int factor = p.description().factor();
  Settings s("--method " + o.method, kind.settings);
  if (s.knows("zeta")) s.set("zeta", o.zeta.value_or(default_zeta(p, prior)));
  if (s.knows("factor")) s.set("factor", std::int64_t(factor > 1 ? factor : 0));
  if (o.compat && s.knows("compat")) s.set("compat", true);
  if (!s.knows("sampler")) return s;
  s.set("sampler", o.sampler.sampler);
  s.set("variance", std::string(variances[int(o.variance.value_or(prior.variance()))]));
  s.set("eta", o.sampler.eta);
  s.set("parameterisation", o.sampler.parameterisation);
  s.set("corrections", std::int64_t(o.sampler.corrections));
  s.set("snr", o.sampler.snr);
  s.set("no_clip", o.sampler.no_clip);
  return s;
}

Plan make_plan(const Options& o, const Problem& p, const Prior& prior) {
  const SolverKind& kind = solver_kind(o.method);
  return {o.steps == 0 && !o.respacing.empty() ? prior.schedule(o.respacing) : prior.schedule(kind, o.steps),
          &kind, settings_of(o, p, prior, kind), o.restarts > 0 ? o.restarts : p.description().restarts()};
}

NoiseModel model_of(const Noise& noise) {
  return {noise.name == "gaussian" ? noise.sigma : 0, noise.name == "poisson" ? noise.rate : 0};
}

Run run_once(Context& context, const Plan& plan, const Problem& p, const Prior& prior, Progress& progress) {
  Likelihood likelihood(context, *p.op, p.y(), model_of(p.noise));
  ContextNoise noise(context);
  Posterior posterior{context, prior.denoiser(), plan.schedule, likelihood, p.padded, noise};
  const std::unique_ptr<Solver> solver = plan.kind->make(plan.settings, posterior);
  const int steps = solver->steps(posterior);
  Run run;
  const Tensor x = solve(*solver, posterior, [&](int executed, const Tensor&) {
    const double distance = std::sqrt(context.download(solver->misfit_squared())[0]);
    require(std::isfinite(distance), "the sampler diverged at step ", executed + 1, " of ", steps,
            plan.settings.knows("zeta")
                ? message(": try a smaller --zeta than ", plan.settings.number("zeta"))
                : std::string());
    progress.update(executed + 1, distance);
    return true;
  });
  run.seconds_per_step = progress.seconds_per_step();
  const Image full = clipped({p.padded.C, p.padded.H, p.padded.W, context.download(x)});
  run.misfit = p.misfit(context, context.upload(p.padded, full.data));
  run.restored = crop(full, 0, 0, p.image.H, p.image.W);
  return run;
}

std::string label_of(const Options& o, int sample, int run, int restarts) {
  std::string label = o.samples == 1 ? "restore" : fmt::format("sample {}/{}", sample + 1, o.samples);
  if (restarts > 1) label += fmt::format(", run {}/{}", run + 1, restarts);
  return label;
}

}  // namespace

Solution solve(Context& context, const Options& o, const Problem& p, const Prior& prior, SampleStore& store,
               const std::function<void()>& ready) {
  if (is_classical(o.method)) return solve_classically(context, o, p, ready);
  const Plan plan = make_plan(o, p, prior);
  {
    Likelihood likelihood(context, *p.op, p.y(), model_of(p.noise));
    if (const auto reason = refusal(*plan.kind, likelihood, p.padded)) throw Error(*reason);
  }
  ready();
  Solution solution;
  solution.settings = {
      {"sampler", describe(o.sampler, plan.schedule.steps())},
      {"guidance",
       {{"name", o.method},
        {"zeta", plan.settings.knows("zeta") ? Json(plan.settings.number("zeta")) : Json(nullptr)},
        {"compat", o.compat},
        {"restarts", plan.restarts}}}};
  for (int i = 0; i < o.samples; ++i) {
    if (std::optional<Sample> finished = store.read(i)) {
      solution.samples.push_back(std::move(*finished));
      continue;
    }
    Sample sample;
    for (int k = 0; k < plan.restarts; ++k) {
      context.start_stream(std::uint64_t(i) * std::uint64_t(plan.restarts) + std::uint64_t(k) + 1);
      Progress progress(label_of(o, i, k, plan.restarts), plan.schedule.steps(),
                        o.quiet ? ProgressStyle::quiet : ProgressStyle::automatic);
      sample.runs.push_back(run_once(context, plan, p, prior, progress));
    }
    sample.best = *std::min_element(sample.runs.begin(), sample.runs.end(),
                                    [](const Run& a, const Run& b) { return a.misfit < b.misfit; });
    store.write(i, sample);
    solution.samples.push_back(std::move(sample));
  }
  return solution;
}

}  // namespace tweedie
