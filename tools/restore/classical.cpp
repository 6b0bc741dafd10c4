#include "tools/restore/method.hpp"

#include <fmt/format.h>

#include <cmath>

#include "engine/solvers/classical.hpp"
#include "engine/solvers/wiener.hpp"
#include "operators/ct.hpp"
#include "operators/fienup.hpp"
#include "tools/progress.hpp"
#include "tools/say.hpp"

namespace tweedie {
namespace {

constexpr int wiener_iterations = 1000;
constexpr double wiener_tolerance = 1e-6;

Run finished(Context& context, const Problem& p, const Tensor& x, const Progress* progress) {
  Run run;
  run.unclipped = {p.image.C, p.image.H, p.image.W, context.download(x)};
  run.restored = clipped(run.unclipped);
  run.misfit = p.misfit(context, context.upload(p.image, run.restored.data));
  if (progress) run.seconds_per_step = progress->seconds_per_step();
  return run;
}

Solution one_run(Run run, Json settings, bool uses_prior = false) {
  Solution solution;
  solution.samples.push_back({run, {run}});
  solution.uses_prior = uses_prior;
  solution.settings = {{"method", std::move(settings)}};
  return solution;
}

LinearOperator& linear(const Options& o, const Problem& p) {
  auto* op = dynamic_cast<LinearOperator*>(p.op.get());
  require(op, "--method ", o.method, " needs a linear operator; task ", p.task, " has none");
  return *op;
}

ProgressStyle style(const Options& o) { return o.quiet ? ProgressStyle::quiet : ProgressStyle::automatic; }

Solution by_wiener(Context& context, const Options& o, const Problem& p, const std::function<void()>& ready) {
  require(p.noise.kind != NoiseKind::poisson,
          "--method wiener supposes Gaussian noise, this is Poisson noise");
  LinearOperator& op = linear(o, p);
  ready();
  SpectrumPrior prior(context);
  Progress progress("wiener", wiener_iterations, style(o));
  const Estimate found = wiener(
      context, op, prior, p.y(), p.image, p.noise.kind == NoiseKind::none ? 0 : p.noise.sigma,
      [&](int iteration, double) { return progress.update(iteration), true; }, wiener_tolerance,
      wiener_iterations);
  if (found.residual[0] > wiener_tolerance)
    say(fmt::format(
        "tweedie-restore: note: wiener: a residual of {:.1e} is left after {} iterations (expected {:.0e})\n",
        found.residual[0], found.iterations, wiener_tolerance));
  return one_run(finished(context, p, found.x, &progress),
                 {{"name", o.method}, {"iterations", found.iterations}, {"residual", found.residual[0]}},
                 true);
}

Solution by_total_variation(Context& context, const Options& o, const Problem& p,
                            const std::function<void()>& ready) {
  AdmmTvOptions options;
  options.lambda = o.settings->number("lambda");
  options.iterations = o.settings->integer("iterations");
  options.rho = o.settings->stated("rho") ? o.settings->number("rho") : p.description().kind->steps.rho;
  LinearOperator& op = linear(o, p);
  ready();
  Progress progress("admm-tv", options.iterations, style(o));
  const Estimate found = admm_tv(context, op, p.y(), p.image, options,
                                 [&](int iteration, double) { return progress.update(iteration), true; });
  return one_run(finished(context, p, found.x, &progress), {{"name", o.method},
                                                            {"lambda", options.lambda},
                                                            {"rho", options.rho},
                                                            {"iterations", found.iterations},
                                                            {"residual", found.residual[0]}});
}

Solution by_backprojection(Context& context, const Options& o, const Problem& p,
                           const std::function<void()>& ready) {
  auto* radon = dynamic_cast<Radon*>(p.op.get());
  require(radon, "--method fbp is for task ct, not ", p.task);
  ready();
  return one_run(finished(context, p, radon->filtered_backprojection(p.y(), p.image), nullptr),
                 {{"name", o.method}});
}

Solution by_alternating_projections(Context& context, const Options& o, const Problem& p,
                                    const std::function<void()>& ready) {
  auto* op = dynamic_cast<PhaseRetrieval*>(p.op.get());
  require(op, "--method ", o.method, " is for task phase_retrieval, not ", p.task);
  ready();
  FienupOptions options;
  options.method = fienup_method(o.method);
  options.iterations = o.settings->integer("iterations");
  const bool either_sign = op->range() == PhaseRetrieval::Range::pm1;
  const int starts = o.restarts > 0 ? o.restarts : p.description().restarts();
  Solution solution;
  solution.uses_prior = false;
  Sample sample;
  std::optional<FienupResult> best;
  for (int k = 0; k < starts; ++k) {
    context.start_stream(std::uint64_t(k) + 1);
    Progress progress(starts > 1 ? fmt::format("{} {}/{}", o.method, k + 1, starts) : o.method,
                      options.iterations + options.polish, style(o));
    const FienupResult found = fienup(context, *op, p.y(), p.image, options, [&](int iteration, double) {
      return progress.update(std::min(iteration, options.iterations + options.polish)), true;
    });
    sample.runs.push_back(finished(context, p, align_channels(context, found.x, either_sign), &progress));
    if (best)
      keep_better(context, *best, found);
    else
      best = found;
  }
  sample.best = finished(context, p, align_channels(context, best->x, either_sign), nullptr);
  sample.best.seconds_per_step = sample.runs[0].seconds_per_step;
  solution.samples.push_back(std::move(sample));
  solution.settings = {{"method",
                        {{"name", o.method},
                         {"iterations", options.iterations},
                         {"polish", options.polish},
                         {"beta", options.beta},
                         {"restarts", starts}}}};
  return solution;
}

Solution by_zero_filling(Context& context, const Options& o, const Problem& p,
                         const std::function<void()>& ready) {
  LinearOperator& op = linear(o, p);
  ready();
  return one_run(finished(context, p, zero_filled(op, p.y(), p.image), nullptr), {{"name", o.method}});
}

constexpr Setting tv_settings[] = {
    Setting::number("lambda", 0.027, 0, Setting::unbounded, "weight of the total variation"),
    Setting::positive("rho", Setting::none, "penalty of the splitting; default 0.14 for blurs, else 0.01"),
    Setting::whole("iterations", 300, 1, 100000000, "at most so many"),
};
constexpr Setting fienup_settings[] = {Setting::whole("iterations", 10000, 1, 100000000, "at most so many")};

// Phase retrieval wants black around the image.
constexpr EstimateKind kinds[] = {
    {"zero-filled", "A^+ y, or the adjoint A^T y where there is no A^+ (linear)", {}, by_zero_filling},
    {"wiener", "the exact posterior mean under the spectrum prior (linear)", {}, by_wiener, true},
    {"admm-tv", "least squares with total variation (linear)", tv_settings, by_total_variation},
    {"fbp", "filtered backprojection (ct)", {}, by_backprojection},
    {"er", "error reduction (phase_retrieval)", fienup_settings, by_alternating_projections, false, true,
     "range=unit"},
    {"hio", "hybrid input-output (phase_retrieval)", fienup_settings, by_alternating_projections, false, true,
     "range=unit"},
    {"oss", "oversampling smoothness (phase_retrieval)", fienup_settings, by_alternating_projections, false,
     true, "range=unit"},
};

}  // namespace

std::span<const EstimateKind> estimate_kinds() { return kinds; }

}  // namespace tweedie
