#include "tools/restore/blind.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"
#include "operators/blind.hpp"
#include "tools/progress.hpp"
#include "tools/restore/method.hpp"
#include "tools/restore/task_file.hpp"
#include "tools/say.hpp"
#include "weights/settings_json.hpp"

namespace tweedie {
namespace {

constexpr const BlindKind* kinds[] = {&blind_dps_kind, &fast_em_kind};

int round_up(int n, int to) { return (n + to - 1) / to * to; }

std::string joined(std::span<const char* const> words) {
  std::string text;
  for (const char* word : words) text += (text.empty() ? "" : ", ") + std::string(word);
  return text;
}

/// The priors of the other unknowns: those that are given, and those that ship where the method asks them.
/// Errors: one that is for something else; one is given that the method does not ask.
std::map<std::string, Prior> load_priors(Context& context, const Options& o, const Problem& p,
                                         const Prior& image, const BlindKind& kind) {
  std::map<std::string, Prior> priors;
  const BlindRow& row = *p.description().kind->blind;
  for (const char* unknown : row.unknowns) {
    const auto path = o.unknown_weights.find(unknown);
    const auto config = o.unknown_configs.find(unknown);
    require(path != o.unknown_weights.end() || config == o.unknown_configs.end(), "--", unknown,
            "-model-config: there is no network: give --", unknown, "-weights");
    const bool asked =
        !kind.asks_prior || kind.asks_prior(*o.settings, image.network.has_value(), row, unknown);
    const bool given = path != o.unknown_weights.end();
    require(asked || !given, "--", unknown, "-weights: --method ", o.method,
            " asks no prior of it with these settings and this prior of the image");
    const bool ships = kind.asks_prior && asked && std::filesystem::exists(shipped_file(unknown));
    if (!given && !ships) continue;
    const std::string file = given ? path->second : shipped_file(unknown);
    Prior prior = load_prior(context, PriorChoice{file, ""});
    const Shape needed = row.shape(p.description().settings, unknown, p.image);
    require(prior.channels() == needed.C, file, ": a prior of ", prior.channels(), " channels; the ", unknown,
            " has ", needed.C);
    if (config != o.unknown_configs.end()) check_model_file(config->second, *prior.network, file);
    priors.emplace(unknown, std::move(prior));
  }
  return priors;
}

void make_operators(BlindProblem& b) {
  b.op = b.row().joint(b.context, b.problem.description().settings);
  std::vector<Shape> sides{b.problem.image};
  bool cropped = b.problem.padded != b.problem.image;
  for (const char* unknown : b.row().unknowns) {
    sides.push_back(b.shape(unknown));
    cropped = cropped || b.padded(unknown) != b.shape(unknown);
  }
  if (cropped) b.on_padded = on_crops(b.context, *b.op, std::move(sides));
}

Image picture_of(Context& context, const Tensor& x, const Shape& shape) {
  const Shape s = x.shape();
  const Image whole{s.C, s.H, s.W, context.download(x)};
  Image part{s.C, shape.H, shape.W, {}};
  for (int c = 0; c < s.C; ++c)
    for (int h = 0; h < shape.H; ++h)
      for (int w = 0; w < shape.W; ++w) part.data.push_back(whole.data[whole.index(c, h, w)]);
  return part;
}

double joint_misfit(BlindProblem& b, const Image& image, const std::map<std::string, Image>& found) {
  Context& context = b.context;
  std::vector<Tensor> u{context.upload(b.problem.image, image.data)};
  for (const char* unknown : b.row().unknowns) {
    const Image& x = found.at(unknown);
    u.push_back(context.upload({1, x.channels, x.height, x.width}, x.data));
  }
  const Tensor measured = b.op->forward(Unknowns(u));
  Tensor residual = context.planar(measured.shape());
  axpby(context.queue, residual, 1.f, b.problem.y(), -1.f, measured);
  TensorOf<double> squared = context.per_sample(1);
  sum_squares(context.queue, squared.view(), residual);
  return std::sqrt(context.download(squared)[0]);
}

Run run_once(BlindProblem& b, const BlindKind& kind, const std::string& label) {
  const Options& o = b.options;
  const int steps = kind.steps(b);
  Progress progress(label, steps, o.quiet ? ProgressStyle::quiet : ProgressStyle::automatic);
  const BlindFound found = kind.run(b, [&](int executed, std::optional<double> distance) {
    require(std::isfinite(distance.value_or(0)), "the sampler diverged at step ", executed + 1, " of ", steps,
            ": try smaller step sizes");
    progress.update(std::min(executed + 1, steps), distance);
  });
  Run run;
  run.seconds_per_step = progress.seconds_per_step();
  run.unclipped = picture_of(b.context, found.image, b.problem.image);
  run.restored = clipped(run.unclipped);
  for (const auto& [name, value] : found.unknowns)
    run.unknowns.emplace(name, picture_of(b.context, value, b.shape(name)));
  run.misfit = joint_misfit(b, run.restored, run.unknowns);
  return run;
}

}  // namespace

std::span<const BlindKind* const> blind_kinds() { return kinds; }

Shape BlindProblem::shape(const std::string& unknown) const {
  return row().shape(problem.description().settings, unknown, problem.image);
}

Shape BlindProblem::padded(const std::string& unknown) const {
  Shape s = shape(unknown);
  const auto prior_of = priors.find(unknown);
  const int stride = prior_of == priors.end() ? 1 : prior_of->second.stride();
  return {s.N, s.C, round_up(s.H, stride), round_up(s.W, stride)};
}

// Values in steps of 1/255 have noise, too.
double BlindProblem::sigma() const {
  constexpr double rounding = 2.0 / 255 / 3.4641016;
  return problem.noise.kind == NoiseKind::gaussian ? std::max(problem.noise.sigma, rounding) : rounding;
}

Solution solve_blind(Context& context, const Options& o, const Problem& p, const Prior& prior,
                     const BlindKind& kind, SampleStore& store, const std::function<void()>& ready) {
  require(p.noise.kind != NoiseKind::poisson, "--method ", o.method,
          " supposes Gaussian noise, this is Poisson noise");
  const bool respaced = o.steps == 0 && !o.respacing.empty();
  const int few = kind.default_steps ? std::min(kind.default_steps(*o.settings), prior.trained_steps()) : 0;
  const int steps = o.steps > 0 ? o.steps : few;
  BlindProblem b{context,
                 o,
                 p,
                 prior,
                 load_priors(context, o, p, prior, kind),
                 respaced ? prior.schedule(o.respacing) : prior.schedule(steps)};
  kind.require_suits(b);
  for (const auto& [unknown, its] : b.priors)
    if (!o.quiet && !o.unknown_weights.contains(unknown))
      say(message("tweedie-restore: the prior of the ", unknown, " that ships\n"));
  make_operators(b);
  ready();
  Solution solution;
  for (int i = 0; i < o.samples; ++i) {
    if (std::optional<Sample> finished = store.read(i)) {
      solution.samples.push_back(std::move(*finished));
      continue;
    }
    context.start_stream(std::uint64_t(i) + 1);
    Run run = run_once(b, kind, o.samples == 1 ? "restore" : fmt::format("sample {}/{}", i + 1, o.samples));
    Sample sample{run, {run}};
    store.write(i, sample);
    solution.samples.push_back(std::move(sample));
  }
  Json method = to_json(*o.settings, true);
  method["name"] = kind.name;
  method["compat"] = o.compat;
  if (kind.describe) method.update(kind.describe(b));
  method["unknowns"] = joined(b.row().unknowns);
  solution.settings = {{"method", std::move(method)},
                       {"sampler", {{"name", "ddpm"}, {"steps", kind.steps(b)}}}};
  for (const auto& [name, its] : b.priors) solution.settings["priors"][name] = its.description;
  return solution;
}

}  // namespace tweedie
