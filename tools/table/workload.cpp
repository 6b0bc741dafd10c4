#include "tools/table/workload.hpp"

#include <algorithm>

#include "engine/spectrum_prior.hpp"
#include "kernels/error.hpp"
#include "operators/circular.hpp"
#include "operators/inpainting.hpp"
#include "tools/restore/method.hpp"

namespace tweedie::table {
namespace {

/// A prior that counts.
class Counted : public Denoiser {
 public:
  explicit Counted(Denoiser& inner) : inner_(inner) {}
  std::unique_ptr<Saved> make_saved() const override { return inner_.make_saved(); }
  Prediction forward(const Tensor& x, const NoiseLevel& level, Saved* saved = nullptr) override {
    seen.evaluations += x.shape().N;  // of a batch each image
    return inner_.forward(x, level, saved);
  }
  Tensor backward(const Tensor& deps, Saved& saved) override {
    seen.gradients += deps.shape().N;
    return inner_.backward(deps, saved);
  }
  bool learns_variance() const override { return inner_.learns_variance(); }
  Workload seen;

 private:
  Denoiser& inner_;
};

constexpr NoiseModel measured_noise{.sigma = 0.05};

/// A blur whose edges are joined has a spectrum and keeps conjugate gradients busy; half of the pixels has
/// the pseudo-inverse that a blur has not.
std::unique_ptr<ForwardOperator> operator_for(Context& context, const SolverKind& kind, const Shape& image) {
  const std::vector<float> taps{0.01f, 0.06f, 0.02f, 0.1f, 0.55f, 0.12f, 0.03f, 0.08f, 0.03f};
  auto blur =
      std::make_unique<CircularBlur>(context, context.upload({1, 1, 3, 3}, taps), Direction::correlate);
  if (!refusal(kind, *blur, measured_noise, image)) return blur;
  std::vector<float> mask(std::size_t(image.plane()), 0.f);
  for (std::size_t i = 0; i < mask.size(); i += 2) mask[i] = 1;
  return std::make_unique<Inpainting>(context, context.upload({1, 1, image.H, image.W}, mask));
}

Workload count(const SolverKind& kind, Settings settings, int steps) {
  const Shape image{1, 1, 8, 8};
  Context context(Device::cpu, 1);
  const std::unique_ptr<ForwardOperator> op = operator_for(context, kind, image);
  Likelihood likelihood(context, *op, op->forward(context.normal(image)), measured_noise);
  SpectrumPrior spectrum(context);
  Counted prior(spectrum);
  const Schedule schedule = schedule_of(kind, "linear", 1000, steps);
  ContextNoise noise(context);
  Posterior posterior{context, prior, schedule, likelihood, image, noise};
  if (settings.knows("zeta") && !settings.stated("zeta")) settings.set("zeta", 0.3);
  if (settings.knows("chain")) settings.set("chain", std::int64_t(1));  // of the measurement: asks no prior
  solve(*kind.make(settings, posterior), posterior);
  return prior.seen;
}

Workload times(const Workload& w, std::int64_t factor) {
  return {w.evaluations * factor, w.gradients * factor};
}

/// Every unknown walks all steps; Fast EM walks by a solver, at as many scales as are asked for: those of
/// less than the image's size cost less.
Workload of_blind(const Options& o, const BlindKind& kind) {
  const int few = kind.default_steps ? kind.default_steps(*o.settings) : 0;
  const int steps = o.steps > 0 ? o.steps : few > 0 ? few : 1000;
  const std::string walk = o.settings->knows("expectation") ? o.settings->text("expectation") : "dps";
  if (&kind == &blind_dps_kind || walk == "dps") return {steps, steps};
  const SolverKind& solver = solver_kind(walk);
  return times(count(solver, Settings(walk, solver.settings), steps),
               fast_em_draw_count(*o.settings, *o.asked->op.kind->blind, o.settings->integer("scales")));
}

}  // namespace

std::vector<std::string> words_of(const Table& table, const Row& task, const Row& method) {
  Words all;
  for (const Words* part : {&table.common, &task.words, &method.words})
    for (const auto& [option, words] : *part) {
      std::vector<std::string>& at = all[option];
      if (option != "--set") at.clear();
      at.insert(at.end(), words.begin(), words.end());
    }
  std::vector<std::string> line;
  for (const auto& [option, words] : all) line.insert(line.end(), words.begin(), words.end());
  return line;
}

Options options_of(const Table& table, const Row& task, const Row& method) {
  std::vector<std::string> words{"tweedie-restore", "--input", "image.png", "-o", "out"};
  for (const std::string& word : words_of(table, task, method)) words.push_back(word);
  std::vector<const char*> line;
  for (const std::string& word : words) line.push_back(word.c_str());
  CLI::App app;
  try {
    return read_options(app, int(line.size()), line.data());
  } catch (const CLI::ParseError& error) {
    throw Error(message(task.name, " / ", method.name, ": ", error.what()));
  } catch (const Error& error) {
    throw Error(message(task.name, " / ", method.name, ": ", error.what()));
  }
}

OtherNetworks other_networks(const Options& o) {
  OtherNetworks all;
  for (const OperatorDescription* leaf : o.asked->op.leaves())
    all.of_operator = all.of_operator || leaf->kind->network;
  const BlindRow* blind = o.asked->op.kind->blind;
  const BlindKind* kind = find_method(o.method).blind;
  for (const char* unknown : blind ? blind->unknowns : std::span<const char* const>()) {
    if (!kind->asks_prior) all.unknowns.emplace_back(unknown);
    if (kind->asks_prior && kind->asks_prior(*o.settings, true, *blind, unknown))
      all.shipped.emplace_back(unknown);
  }
  return all;
}

Workload workload_of(const Options& o) {
  const MethodRow method = find_method(o.method);
  if (method.estimate) return {};
  const std::int64_t of_guidance = o.class_guidance == 1 ? 1 : 2;  // with its class, and without
  if (method.blind) return times(of_blind(o, *method.blind), of_guidance * o.samples);
  const int restarts = o.restarts > 0 ? o.restarts : o.asked->op.restarts();
  return times(count(*method.solver, *o.settings, o.steps), of_guidance * std::int64_t(o.samples) * restarts);
}

}  // namespace tweedie::table
