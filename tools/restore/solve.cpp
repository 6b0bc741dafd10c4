#include "tools/restore/solve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/progress.hpp"
#include "tools/restore/batches.hpp"
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
  int batch;  ///< the largest so far
};

/// A run of a sample, of those that the options ask for.
struct Job {
  int sample, run;
};

/// The runs of these jobs as one batch, each with noise from its own stream; `steps` becomes their number.
std::vector<Run> run_batch(Context& context, Plan& plan, const Options& o, const Problem& p,
                           const Prior& prior, std::span<const Job> jobs, const std::string& label,
                           int& steps) {
  const int count = int(jobs.size());
  std::vector<std::uint64_t> streams;
  for (const Job& job : jobs)
    streams.push_back(std::uint64_t(job.sample) * std::uint64_t(plan.restarts) + std::uint64_t(job.run) + 1);
  // Operators that draw have a stream that no run has.
  context.start_stream(std::uint64_t(o.samples) * std::uint64_t(plan.restarts) + streams[0]);
  StreamNoise noise(context, streams);
  Posterior posterior{
      context, prior.denoiser(), plan.schedule, plan.likelihood, {count, p.padded.C, p.padded.H, p.padded.W},
      noise};
  const std::unique_ptr<Solver> solver = plan.kind.make(plan.settings, posterior);
  steps = solver->steps(posterior);
  Progress progress(label, steps, o.quiet ? ProgressStyle::quiet : ProgressStyle::automatic);
  MisfitWatch watch(context, *solver);
  const auto require_finite = [&](const std::optional<MisfitWatch::Seen>& seen) {
    require(!seen || std::isfinite(seen->distance), "the sampler diverged at step ",
            seen ? seen->executed + 1 : 0, " of ", steps,
            plan.settings.knows("zeta") && !plan.settings.worded("zeta")
                ? message(": try a smaller --zeta than ", plan.settings.number("zeta"))
                : std::string());
  };
  const Tensor x = solve(*solver, posterior, [&](int executed, const Tensor&) {
    const auto seen = watch.after(executed);
    require_finite(seen);
    progress.update(executed + 1, seen ? std::optional(seen->distance) : std::nullopt);
    return true;
  });
  require_finite(watch.last());
  const std::vector<float> values = context.download(x);
  std::vector<Run> runs;
  for (auto from = values.begin(); from != values.end(); from += std::ptrdiff_t(p.padded.size())) {
    const Image unclipped{p.padded.C, p.padded.H, p.padded.W, {from, from + std::ptrdiff_t(p.padded.size())}};
    const Image full = clipped(unclipped);
    Run run;
    run.seconds_per_step = progress.seconds_per_step() / count;
    run.misfit = p.misfit(context, context.upload(p.padded, full.data));
    run.restored = crop(full, 0, 0, p.image.H, p.image.W);
    run.unclipped = crop(unclipped, 0, 0, p.image.H, p.image.W);
    runs.push_back(std::move(run));
  }
  return runs;
}

std::string label_of(const Options& o, std::span<const Job> jobs, int restarts) {
  if (o.samples == 1 && restarts == 1) return "restore";
  const auto numbers = [](const char* what, int first, int last, int of) {
    return first == last ? fmt::format("{} {}/{}", what, first + 1, of)
                         : fmt::format("{}s {}-{}/{}", what, first + 1, last + 1, of);
  };
  const Job &first = jobs.front(), &last = jobs.back();
  if (o.samples == 1) return "restore, " + numbers("run", first.run, last.run, restarts);
  std::string label = numbers("sample", first.sample, last.sample, o.samples);
  if (restarts > 1 && first.sample == last.sample)
    label += ", " + numbers("run", first.run, last.run, restarts);
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
  guidance["batch"] = plan.batch;
  return {{"sampler", sampler}, {"guidance", guidance}};
}

}  // namespace

Solution solve(Context& context, const Options& o, const Problem& p, const Prior& prior, SampleStore& store,
               const std::function<void()>& ready) {
  const MethodRow method = find_method(o.method);
  if (method.estimate) return method.estimate->run(context, o, p, ready);
  if (method.blind) return solve_blind(context, o, p, prior, *method.blind, store, ready);
  Plan plan{*method.solver,
            settings_of(o, p, prior),
            schedule_of(o, prior, *method.solver),
            Likelihood(context, *p.op, p.y(), p.noise_model()),
            o.restarts > 0 ? o.restarts : p.description().restarts(),
            o.batch};
  if (const auto reason = refusal(plan.kind, *p.op, p.noise_model(), p.padded))
    throw Error(message("task ", p.task, ": ", *reason));
  ready();
  Solution solution;
  int steps = plan.schedule.steps();
  std::vector<Job> jobs;
  for (int i = 0; i < o.samples; ++i) {
    std::optional<Sample> finished = store.read(i);
    for (int k = 0; k < plan.restarts && !finished; ++k) jobs.push_back({i, k});
    solution.samples.push_back(finished ? std::move(*finished) : Sample{});
  }
  Batches batches(context, o.batch);
  for (std::span<const Job> left = jobs; !left.empty();) {
    const std::span<const Job> batch = left.first(std::size_t(batches.next(int(left.size()))));
    left = left.subspan(batch.size());
    plan.batch = std::max(plan.batch, int(batch.size()));
    std::vector<Run> runs =
        run_batch(context, plan, o, p, prior, batch, label_of(o, batch, plan.restarts), steps);
    for (std::size_t j = 0; j < batch.size(); ++j) {
      Sample& sample = solution.samples[std::size_t(batch[j].sample)];
      sample.runs.push_back(std::move(runs[j]));
      if (int(sample.runs.size()) < plan.restarts) continue;
      sample.best = *std::min_element(sample.runs.begin(), sample.runs.end(),
                                      [](const Run& a, const Run& b) { return a.misfit < b.misfit; });
      store.write(batch[j].sample, sample);
    }
  }
  solution.settings = describe(plan, o, steps);
  return solution;
}

}  // namespace tweedie
