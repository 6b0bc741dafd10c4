// tweedie-bench: how fast, against what the machine can do.
#include "tools/bench/busy.hpp"
#include "tools/bench/compare.hpp"
#include "tools/bench/kernels.hpp"
#include "tools/bench/model.hpp"
#include "tools/bench/roofline.hpp"
#include "tools/bench/table.hpp"
#include "tools/bench/training.hpp"
#include "tools/device_option.hpp"
#include "tools/numbers.hpp"
#include "tools/run_main.hpp"
#include "tools/say.hpp"
#include "tools/threads.hpp"
#include "weights/unet_config.hpp"

namespace tweedie {
namespace {

struct Options {
  bench::ModelOptions model;
  bench::KernelOptions kernels;
  std::string device = "auto", precision = "fp32", roofline;
  bool checkpoint = false;
  std::vector<std::string> compared, tabled;
  bool json = false, train = false, busy = false;
  bool has_model() const { return !model.preset.empty() || !model.config.empty() || !model.weights.empty(); }
};

void add_options(CLI::App& app, Options& o) {
  app.description(
      "Measures kernels, or one DPS step of a whole network with random weights (--model). Figures are for "
      "this\n"
      "machine and this run; compare ratios, not seconds of different days.");
  app.add_option("--model", o.model.preset, "Time a DPS step of this preset, such as ffhq256 or imagenet256")
      ->check(CLI::IsMember(preset_names()));
  app.add_option("--config", o.model.config, "The same of the network of a configuration file (JSON, YAML)")
      ->excludes("--model");
  app.add_option("--weights", o.model.weights,
                 "The same of the network in a weight file, and what reading it takes of memory")
      ->excludes("--model", "--config");
  app.add_flag("--train", o.train, "Time a training step, against a DPS step of the same batch");
  app.add_flag("--busy", o.busy,
               "Time a DPS step alone and beside as many busy processes as threads, in turns (without a "
               "network: of the analytic prior)")
      ->excludes("--train");
  app.add_option("--roofline", o.roofline,
                 "Hold every kernel of a network's step against the least time it can take: here, or by the "
                 "data sheet of a device (nothing is run then)")
      ->check(CLI::IsMember(bench::roofline_devices()))
      ->excludes("--train", "--busy");
  app.add_option("--batch", o.model.batch, "Images a step")
      ->capture_default_str()
      ->check(whole_number(1, 1024));
  app.add_option("--repeats", o.model.repeats, "Steps timed, after one that is not")
      ->capture_default_str()
      ->check(whole_number(1, 999));
  app.add_option("--height", o.model.height, "Rows (0: the preset's)")->check(whole_number(0));
  app.add_option("--width", o.model.width, "Columns (0: the preset's)")->check(whole_number(0));
  app.add_option("--filter", o.kernels.filter, "Kernels whose name contains this");
  app.add_option("--compare", o.compared,
                 "OLD: what --json printed earlier; says of each row whether it got better or worse by more "
                 "than its noise (exit code 1: worse). OLD NEW: compares two such files, measures nothing")
      ->expected(1, 2);
  app.add_option(
         "--table", o.tabled,
         "What --model and --json printed before, a file each: prints a line for each, measures nothing")
      ->excludes("--model", "--config", "--weights", "--train", "--busy", "--roofline", "--compare");
  add_device_option(app, o.device);
  add_precision_option(app, o.precision);
  add_checkpoint_option(app, o.checkpoint);
  app.add_flag("--json", o.json, "Print JSON instead of text")->excludes("--table");
}

/// Errors: an option that what is measured has no use for.
void require_of_use(const CLI::App& app, const Options& o) {
  for (const char* option : {"--batch", "--repeats", "--height", "--width", "--checkpoint"})
    require(o.has_model() || o.busy || app.count(option) == 0, option,
            " means nothing to kernels; of which network? Give --model, --config or --weights");
  require(o.model.weights.empty() || (!o.train && !o.busy && o.roofline.empty()),
          "--weights: --train, --busy and --roofline measure networks with random weights; give --model or "
          "--config");
  const bool whole = o.roofline.empty() && (o.has_model() || o.busy);
  require(!whole || app.count("--filter") == 0,
          "--filter means nothing to a whole step; leave --model out, or give --roofline");
  require(!o.checkpoint || o.roofline.empty(),
          "--checkpoint: --roofline lists the steps of networks that keep all");
  require(o.compared.empty() || !o.busy, "--compare has no row in common with what --busy reports");
  require(o.compared.empty() || o.roofline.empty() || o.roofline == "here",
          "--compare: a plan by the data sheet of ", o.roofline, " has no seconds to compare");
}

/// Prints a report, or how it compares with an earlier one; the exit code.
int finish(const Options& o, const Json& report, std::string (*describe)(const Json&)) {
  if (o.compared.empty()) {
    print_result(o.json ? report.dump(2) + "\n" : describe(report));
    return 0;
  }
  const Json comparison = bench::compare_reports(bench::read_report(o.compared[0]), report);
  print_result(o.json ? comparison.dump(2) + "\n" : bench::describe_comparison(comparison));
  return comparison["worse"] == 0 ? 0 : 1;
}

int run(const Options& o) {
  if (!o.tabled.empty()) {
    print_result(bench::table_of_steps(o.tabled));
    return 0;
  }
  for (const std::string& path : o.compared) bench::read_report(path);  // before minutes are spent
  if (o.compared.size() == 2) return finish(o, bench::read_report(o.compared[1]), nullptr);
  require(o.has_model() || !o.train, "--train: of which network? Give --model or --config");
  require(o.has_model() || o.roofline.empty(), "--roofline: of which network? Give --model or --config");
  Context context(choose_device(o.device), 1);
  const Precision precision = choose_precision(o.precision);
  context.checkpoint = o.checkpoint;
  if (o.roofline.empty() || o.roofline == "here") context.queue.set_precision(precision);
  if (!o.roofline.empty())
    return finish(o, bench::bench_roofline(context, o.model, o.kernels, o.roofline, precision),
                  bench::describe_roofline);
  if (o.busy) return finish(o, bench::bench_busy(context, o.model), bench::describe_busy);
  if (o.train) return finish(o, bench::bench_training(context, o.model), bench::describe_training);
  if (o.has_model()) return finish(o, bench::bench_model(context, o.model), bench::describe_model);
  return finish(o, bench::bench_kernels(context, o.kernels), bench::describe_kernels);
}

}  // namespace
}  // namespace tweedie

int main(int argc, char** argv) {
  tweedie::wait_politely(argv);
  return tweedie::run_main("tweedie-bench", argc, argv, [](CLI::App& app, int count, char** words) {
    tweedie::Options options;
    tweedie::add_options(app, options);
    app.parse(count, words);
    tweedie::require_of_use(app, options);
    return tweedie::run(options);
  });
}
