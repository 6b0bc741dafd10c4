#include "tools/table/plan.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "engine/solvers/solver.hpp"
#include "kernels/error.hpp"
#include "tools/metrics/folders.hpp"

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

// What the command line of a method states by an option, or "".
std::string stated(const Row& method, const std::string& option) {
  for (std::size_t k = 0; k + 1 < method.words.size(); ++k)
    if (method.words[k] == option) return method.words[k + 1];
  return {};
}

// Network evaluations of one run; 0 of a method that samples nothing.
int evaluations(const Row& method) {
  const std::string name = stated(method, "--method").empty() ? "dps" : stated(method, "--method");
  const SolverKind* solver = nullptr;
  for (const SolverKind* kind : solver_kinds())
    if (name == kind->name) solver = kind;
  if (!solver) return 0;
  const std::string runs = stated(method, "--restarts"), many = stated(method, "--samples");
  const int own = solver->steps > 0 ? solver->steps : 1000;
  const int steps = method.steps > 0 ? method.steps : own;
  return steps * (runs.empty() ? 1 : std::max(1, std::atoi(runs.c_str()))) *
         (many.empty() ? 1 : std::max(1, std::atoi(many.c_str())));
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
  std::int64_t runs = 0, total = 0;
  for (const Row& method : table.methods) {
    std::int64_t of_method = 0;
    for (const Row& task : table.tasks)
      if (table.pairs(task, method)) of_method += std::int64_t(count) * std::int64_t(table.seeds.size());
    const int each = evaluations(method);
    text += fmt::format("  {:<28} {:>8} runs of {:>5} network evaluations\n", method.name, of_method, each);
    runs += of_method;
    total += of_method * each;
  }
  text += fmt::format("\n{} runs, {} network evaluations\n", runs, total);
  if (!table.network.empty()) {
    const double step = step_seconds ? *step_seconds : measured_step(table.network, setting);
    text += fmt::format("at {:.3g} s for a step of {} ({}): about {:.1f} hours in all\n", step, table.network,
                        step_seconds ? "as stated" : "as measured now", step * double(total) / 3600);
  }
  for (const auto& [title, lines] : {std::pair{"Unlike the source:", &table.differs},
                                     std::pair{"What the source leaves open:", &table.ambiguities}}) {
    if (lines->empty()) continue;
    text += message("\n", title, "\n");
    for (const std::string& line : *lines) text += "  - " + line + "\n";
  }
  return text;
}

}  // namespace tweedie::table
