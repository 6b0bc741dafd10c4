// tweedie-restore: an image in, degraded by a task and restored; or a measurement restored.
#include <bit>
#include <filesystem>

#include "tools/device_option.hpp"
#include "tools/programs.hpp"
#include "tools/restore/defaults.hpp"
#include "tools/restore/method.hpp"
#include "tools/restore/results.hpp"
#include "tools/restore/solve.hpp"
#include "tools/restore/task_file.hpp"
#include "tools/run_main.hpp"
#include "tools/say.hpp"

namespace tweedie {
namespace {

/// What the user's YAML files say of the prior must be so.
void check_files(const Options& o, const Prior& prior) {
  if (!o.model_config.empty()) {
    require(prior.network.has_value(), "--model-config ", o.model_config,
            ": there is no network: give --weights");
    check_model_file(o.model_config, *prior.network, o.prior.weights);
  }
  if (!o.diffusion_config.empty())
    check_diffusion_file(o.diffusion_config, prior.network ? prior.network->diffusion : DiffusionConfig{});
}

void announce(const Options& o, const Problem& problem, const Prior& prior) {
  for (const std::string& note : problem.notes) say(message("tweedie-restore: note: ", note, "\n"));
  if (o.quiet) return;
  say(message("tweedie-restore: ", summary(problem), "\n"));
  if (find_method(o.method).samples())
    say(message("tweedie-restore: ", o.method, " with the ", prior.description, "\n"));
}

/// What the samples of a run depend on: its command, and the numbers that were measured.
std::string run_text(Context& context, const Options& o, const Problem& problem) {
  std::vector<std::string> words = o.command;
  std::erase_if(words, [](const std::string& word) { return word == "--resume" || word == "--quiet"; });
  if (!words.empty()) words.erase(words.begin());
  std::uint64_t hash = 14695981039346656037u;  // FNV-1a of the measurement's bits
  for (const float v : context.download(problem.y()))
    hash = (hash ^ std::bit_cast<std::uint32_t>(v)) * 1099511628211u;
  return message(shell_line(words), " # ", hash);
}

int restore(Options o) {
  ResultFolder folder(o);
  Context context(choose_device(o.device), o.seed);
  context.queue.set_precision(choose_precision(o.precision));
  context.checkpoint = o.checkpoint;
  Prior prior;
  if (o.prior.stated()) prior = load_prior(context, o.prior);
  Problem problem = pose(context, o, prior.channels());
  settle_defaults(context, o, problem, prior);
  prior.guide_to_classes(context, o.class_guidance);
  prior.set_labels(o.label ? std::vector{*o.label} : std::vector<int>{});
  check_files(o, prior);
  suit(context, problem, o, prior);
  const MethodRow method = find_method(o.method);
  if (method.blind && method.blind->note)
    if (const std::string note = method.blind->note(prior, *o.asked->op.kind->blind); !note.empty())
      problem.notes.push_back(note);
  folder.make();
  SampleStore store(o.output, run_text(context, o, problem), o.samples > 1, o.resume);
  const Solution solution = solve(context, o, problem, prior, store, [&] {
    folder.require_inputs_survive();  // a method may have opened more
    announce(o, problem, prior);
    if (const int found = store.found(o.samples); found > 0 && !o.quiet)
      say(message("tweedie-restore: goes on after ", found, " of ", o.samples, " samples\n"));
  });
  const Results results = judge(problem, solution);
  write_results(context, folder, o, prior, problem, solution, results);
  store.finish();
  print_results(context, problem, solution, results);
  say(stdout, message("wrote ", (std::filesystem::path(o.output) / "restored.png").string(), "\n"));
  return 0;
}

}  // namespace

int restore_program(int argc, char** argv) {
  return run_main("tweedie-restore", argc, argv, [](CLI::App& app, int count, char** words) {
    return restore(read_options(app, count, words));
  });
}

}  // namespace tweedie
