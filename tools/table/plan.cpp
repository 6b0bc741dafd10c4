#include "tools/table/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "kernels/error.hpp"
#include "layers/unet_cost.hpp"
#include "tools/metrics/folders.hpp"
#include "tools/table/workload.hpp"

namespace tweedie::table {
namespace {

int count_images(const Table& table, const std::string& images) {
  const Selection& s = table.images;
  int count = int(s.ids.size());
  if (s.ids.empty() && !images.empty()) count = int(metrics::image_files(images).size());
  if (s.ids.empty() && images.empty()) count = s.first;
  if (s.first > 0) count = std::min(count, s.first);
  return count;
}

// The priors of BlindDPS as its configuration files have them; others are about as large.
UNetConfig config_of_unknown(const std::string& unknown) {
  UNetConfig c;
  c.model_channels = 64;
  c.num_res_blocks = 1;
  c.num_head_channels = 64;
  c.attention_resolutions = {16};
  c.use_scale_shift_norm = c.resblock_updown = true;
  const bool kernel = unknown == "kernel";
  c.image_size = kernel ? 64 : 256;
  if (!kernel) c.channel_mult = {1, 1, 2, 2, 4, 4};
  c.in_channels = kernel ? 1 : 2;
  c.out_channels = 2 * c.in_channels;
  return c;
}

PassCost pass_of(const UNetConfig& c) {
  return forward_cost(c, {1, c.in_channels, c.image_size, c.image_size});
}

// NVIDIA's data sheet of the H100 SXM: fp32 outside of tensor cores, and HBM3.
constexpr double h100_operations = 67e12, h100_bytes = 3.35e12;

/// What all runs ask of networks: in steps of the image's network (an evaluation and its gradient), and in
/// seconds that an H100 needs at least.
struct Total {
  std::int64_t runs = 0, evaluations = 0, gradients = 0;
  double steps = 0, h100_seconds = 0;
};

void add(Total& total, const Table& table, const Options& options, const Workload& each, std::int64_t runs) {
  const double passes = double(each.evaluations + each.gradients) * double(runs);
  total.runs += runs;
  total.evaluations += each.evaluations * runs;
  total.gradients += each.gradients * runs;
  total.steps += passes / 2;
  if (table.network.empty()) return;
  const PassCost image = pass_of(preset(table.network).unet);
  total.h100_seconds += passes * image.seconds(h100_operations, h100_bytes);
  for (const std::string& unknown : other_networks(options).unknowns) {
    const PassCost its = pass_of(config_of_unknown(unknown));
    total.steps += passes / 2 * its.operations / image.operations;
    total.h100_seconds += passes * its.seconds(h100_operations, h100_bytes);
  }
}

std::string hours(double seconds) {
  return seconds < 100 * 3600 ? fmt::format("{:.1f} hours", seconds / 3600)
                              : fmt::format("{:.0f} hours", seconds / 3600);
}

std::string times_of(const Table& table, const Total& total, double step, bool stated) {
  const PassCost pass = pass_of(preset(table.network).unet);
  return fmt::format(
      "at {:.3g} s for a step of {} ({}; an evaluation without gradient half of it): about {}\n"
      "on an H100 no less than {}: an estimate from its data sheet ({:.0f} TFLOP/s in fp32, {:.2f} TB/s) and "
      "{:.0f} GFLOP and {:.1f} GB a pass, not a measurement; all of this for one image at a time\n",
      step, table.network, stated ? "as stated" : "as measured now", hours(step * total.steps),
      hours(total.h100_seconds), h100_operations * 1e-12, h100_bytes * 1e-12, pass.operations * 1e-9,
      pass.bytes * 1e-9);
}

std::string row_of(const std::string& name, std::int64_t runs, const Workload& each) {
  std::string text = fmt::format("  {:<28} {:>8} runs", name, runs);
  if (each.evaluations > 0) text += fmt::format(" of {:>5} network evaluations", each.evaluations);
  if (each.gradients > 0)
    text += each.gradients == each.evaluations ? ", each with its gradient"
                                               : fmt::format(", {} gradients", each.gradients);
  return text + "\n";
}

/// Rows that ask the same are one line.
std::string rows_of(const Table& table, int count, Total& total) {
  std::string text;
  for (const Row& method : table.methods) {
    std::vector<std::pair<Workload, std::int64_t>> kinds;
    for (const Row& task : table.tasks) {
      if (!table.pairs(task, method)) continue;
      const Options options = options_of(table, task, method);
      const Workload each = workload_of(options);
      const std::int64_t runs = std::int64_t(count) * std::int64_t(table.seeds.size());
      add(total, table, options, each, runs);
      const auto same = std::find_if(kinds.begin(), kinds.end(), [&](const auto& kind) {
        return kind.first.evaluations == each.evaluations && kind.first.gradients == each.gradients;
      });
      if (same == kinds.end())
        kinds.emplace_back(each, runs);
      else
        same->second += runs;
    }
    for (const auto& [each, runs] : kinds) text += row_of(method.name, runs, each);
  }
  return text;
}

std::string lists_of(const Table& table) {
  std::string text;
  for (const auto& [title, lines] : {std::pair{"Unlike the source:", &table.differs},
                                     std::pair{"What the source leaves open:", &table.ambiguities}}) {
    if (lines->empty()) continue;
    text += message("\n", title, "\n");
    for (const std::string& line : *lines) text += "  - " + line + "\n";
  }
  if (!table.readings.empty()) text += "\nOther readings:\n";
  for (const Reading& reading : table.readings)
    text += message("  --reading ", reading.name, ": ", reading.what, "\n");
  return text;
}

// Seconds of a DPS step of a preset, as tweedie-bench measures it now.
double measured_step(const std::string& network, const Setting& setting) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  require(!error, "/proc/self/exe: ", error.message());
  const std::string command = fmt::format("'{}' --model {} --repeats 1 --device {} --precision {} --json",
                                          (self.parent_path() / "tweedie-bench").string(), network,
                                          setting.device, setting.precision);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  require(pipe != nullptr, "tweedie-bench cannot be run");
  std::string text;
  std::array<char, 4096> piece;
  while (const std::size_t read = std::fread(piece.data(), 1, piece.size(), pipe.get()))
    text.append(piece.data(), read);
  const Json report = Json::parse(text, nullptr, false);
  require(report.is_object() && report.contains("step_seconds"), "tweedie-bench --model ", network,
          ": no step was measured");
  return report["step_seconds"].get<double>();
}

}  // namespace

std::string plan_text(const Table& table, const std::string& images, const Setting& setting,
                      std::optional<double> step_seconds) {
  const int count = count_images(table, images);
  require(count > 0, table.name, ": how many images? Give their folder with --images");
  std::string text = fmt::format("{}{}{}\n{} images, {} tasks, {} methods, {} seeds\n\n", table.name,
                                 table.source.empty() ? "" : ": ", table.source, count, table.tasks.size(),
                                 table.methods.size(), table.seeds.size());
  Total total;
  text += rows_of(table, count, total);
  text += fmt::format("\n{} runs, {} network evaluations, {} gradients\n", total.runs, total.evaluations,
                      total.gradients);
  if (!table.network.empty() && total.evaluations > 0)
    text += times_of(table, total, step_seconds ? *step_seconds : measured_step(table.network, setting),
                     step_seconds.has_value());
  return text + lists_of(table);
}

}  // namespace tweedie::table
