// tweedie-table: a grid of tasks, methods and images, each run once, and the table of their numbers.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "tools/device_option.hpp"
#include "tools/files.hpp"
#include "tools/numbers.hpp"
#include "tools/restore/asked.hpp"
#include "tools/run_main.hpp"
#include "tools/say.hpp"
#include "tools/table/html.hpp"
#include "tools/table/plan.hpp"
#include "tools/table/ranks.hpp"
#include "tools/threads.hpp"
#include "weights/staged_file.hpp"

namespace tweedie::table {
namespace {

struct Options {
  std::string table, images, networks = ".", shard, reading;
  Setting setting;
  std::optional<double> step_seconds;
  bool dry_run = false, quiet = false;
};

std::string time_text(double seconds) {
  if (seconds < 100) return fmt::format("{:.0f} s", seconds);
  if (seconds < 6000) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

/// Runs what is missing of this part. The result: how many failed.
int run_missing(const Table& table, const Options& o, const std::vector<Cell>& cells, const Shard& shard) {
  std::vector<const Cell*> missing;
  for (std::size_t k = 0; k < cells.size(); ++k)
    if (shard.has(k, table.methods.size()) && !cells[k].complete()) missing.push_back(&cells[k]);
  int failed = 0;
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t k = 0; k < missing.size(); ++k) {
    const Cell& cell = *missing[k];
    const std::string name = message(cell.task->name, " / ", cell.method->name, " / ", cell.name);
    if (const auto reason = run_cell(table, o.setting, cell)) {
      ++failed;
      say(message("tweedie-table: ", name, ": ", *reason, "\n"));
      continue;
    }
    if (o.quiet) continue;
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    const double left = spent.count() / double(k + 1) * double(missing.size() - k - 1);
    const Json report = report_of(cell);
    std::string quality;
    if (report.contains("after"))
      quality = fmt::format(", {:.2f} dB", report["after"]["psnr_db"].get<double>());
    say(fmt::format("run {}/{}: {}{}; {} left\n", k + 1, missing.size(), name, quality, time_text(left)));
  }
  return failed;
}

const std::vector<std::string> result_names{"table.txt", "table.md",   "table.csv",
                                            "table.tex", "table.json", "report.html"};

void write_all(const Table& table, const Figures& figures, const std::vector<Cell>& cells,
               const std::string& out) {
  const auto write = [&](const char* name, const std::string& text) {
    atomic_write((std::filesystem::path(out) / name).string(), text);
  };
  write("table.txt", as_text(table, figures));
  write("table.md", as_markdown(table, figures));
  write("table.csv", as_csv(figures));
  write("table.tex", as_latex(table, figures));
  write("table.json", as_json(table, figures).dump(2) + "\n");
  write("report.html", as_html(table, figures, cells, out));
}

/// Removes files that a table which was killed left half written. Not beside other processes: they may be of
/// another machine, where this one cannot see who is alive.
void sweep(const std::string& out, const std::vector<Cell>& cells) {
  const auto any = [](const std::string&) { return true; };
  remove_abandoned(out, any);
  remove_abandoned((std::filesystem::path(out) / "images").string(), any);
  for (const Cell& cell : cells) remove_abandoned(cell.folder, any);
}

/// Errors: a network was given that no run of the table takes.
void require_of_use(const Table& table, const Setting& setting, const std::vector<Cell>& cells) {
  const auto require_taken = [&](const std::string& option, const std::string& path) {
    const bool taken =
        path.empty() || std::any_of(cells.begin(), cells.end(), [&](const Cell& cell) {
          return std::find(cell.networks.begin(), cell.networks.end(), path) != cell.networks.end();
        });
    require(taken, option, " ", path, ": no run of this table takes it");
  };
  for (const auto& [unknown, path] : setting.unknown_weights)
    require_taken(message("--", unknown, "-weights"), path);
  require_taken("--operator-weights", setting.operator_weights);
  const bool chosen = std::any_of(table.methods.begin(), table.methods.end(),
                                  [](const Row& method) { return method.prior.empty(); });
  require(chosen || (setting.weights.empty() && setting.prior.empty()),
          setting.weights.empty() ? "--prior" : "--weights",
          ": each method of this table names its own prior");
}

void describe(CLI::App& app, Options& o) {
  app.description(
      "Makes a table: every image of every task by every method, each a run of tweedie-restore with its "
      "pictures\n"
      "and report. What is complete is not run again, so a table that was stopped or killed goes on.");
  app.add_option("TABLE", o.table, "The table, a YAML file (see tools/tables)")->required();
  app.add_option("--images", o.images, "Folder of images (PNG, JPEG, TIFF)");
  app.add_option("-o,--out", o.setting.out, "Folder of the table (made if missing)");
  CLI::Option* weights = app.add_option("--weights", o.setting.weights,
                                        "Weight file of the prior, for methods whose row names none");
  app.add_option("--prior", o.setting.prior,
                 "The same by the name of a prior that ships (by default spectrum, the analytic one)")
      ->excludes(weights);
  for (const UnknownOption& row : unknown_options())
    app.add_option(row.weights, o.setting.unknown_weights[row.unknown],
                   message("Weight file of a prior of the ", row.unknown, ", for BlindDPS"));
  app.add_option("--operator-weights", o.setting.operator_weights,
                 "Weight file of an operator that is a network (nonlinear_blur)");
  app.add_option("--reading", o.reading,
                 "Another reading of what the source leaves open, by its name in the table (see --dry-run)");
  app.add_option("--networks", o.networks, "Folder of the metrics' networks (see tweedie-metrics)")
      ->capture_default_str();
  app.add_option(
      "--shard", o.shard,
      "I/N: run the I-th of N parts only (default: as mpirun or SLURM numbered this process). Whoever "
      "comes last has the whole table; without anything to run it is printed at once");
  app.add_flag("--dry-run", o.dry_run,
               "Print what would run and about how long it takes; run one step, write nothing");
  app.add_option(
         "--step-seconds", o.step_seconds,
         "Of --dry-run: what a step of the network takes, on another machine; else it is measured here")
      ->check(positive_number());
  app.add_flag("--quiet", o.quiet, "No progress");
  add_device_option(app, o.setting.device);
  add_precision_option(app, o.setting.precision);
  app.footer(
      "Written: table.txt, .md, .csv, .tex, .json, report.html, and cells/TASK/METHOD/IMAGE/ with pictures "
      "and\n"
      "report.json of each run. Exit code 2 if a run failed; it is tried again next time.\n\n"
      "Examples:\n"
      "  tweedie-table tools/tables/bundled.yaml --images tests/data/images -o out/bundled\n"
      "  tweedie-table tools/tables/dps_ffhq.yaml --images ffhq256 --weights ffhq.h5 --dry-run\n"
      "  mpirun -n 4 tweedie-table tools/tables/dps_ffhq.yaml --images ffhq256 --weights ffhq.h5 -o out/dps");
}

int run(Options& o) {
  const Table table = read_table(o.table, o.reading);
  if (o.dry_run) {
    print_result(plan_text(table, o.images, o.setting, o.step_seconds));
    return 0;
  }
  require(!o.step_seconds, "--step-seconds means nothing without --dry-run");
  require(!o.images.empty(), "give the folder of images with --images");
  require(!o.setting.out.empty(), "give the table's folder with --out");
  require(!o.setting.weights.empty() || table.network.empty(), o.table, ": is of the network ", table.network,
          ": give its --weights");
  const Shard shard = shard_of(o.shard, process_environment());
  Context context(choose_device(o.setting.device));
  // What no run could compute in is refused once; metrics are fp32 whatever the runs are.
  Queue(context.device()).set_precision(choose_precision(o.setting.precision));
  require_metrics(context, table, o.networks);
  require_outside(o.setting.out, o.images);
  const OutputDirectory output(o.setting.out, result_names);
  o.setting.images = choose_images(table, o.images, o.setting.out);
  const std::vector<Cell> cells = cells_of(table, o.setting);
  require_of_use(table, o.setting, cells);
  if (shard.count == 1) sweep(o.setting.out, cells);
  const int failed = run_missing(table, o, cells, shard);
  const Figures figures = sum_up(context, table, cells, o.networks);
  write_all(table, figures, cells, o.setting.out);
  print_result(as_text(table, figures));
  if (figures.complete < figures.wanted)
    say(fmt::format("{} of {} runs are complete\n", figures.complete, figures.wanted));
  require(failed == 0, failed, failed == 1 ? " run" : " runs", " failed (see above)");
  return 0;
}

}  // namespace
}  // namespace tweedie::table

int main(int argc, char** argv) {
  using namespace tweedie::table;
  // Before CUDA is: of several processes on a machine each takes a GPU of its own, and so do its runs.
  if (const auto gpu = visible_gpu(count_gpus(), process_environment()))
    ::setenv("CUDA_VISIBLE_DEVICES", gpu->c_str(), 1);
  tweedie::wait_politely(argv);
  return tweedie::run_main("tweedie-table", argc, argv, [](CLI::App& app, int count, char** words) {
    tweedie::table::Options options;
    tweedie::table::describe(app, options);
    app.parse(count, words);
    return tweedie::table::run(options);
  });
}
