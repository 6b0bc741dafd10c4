#include "tools/bench/table.hpp"

#include <fmt/format.h>

#include "kernels/error.hpp"
#include "tools/bench/compare.hpp"

namespace tweedie::bench {
namespace {

std::string line_of(const std::string& path) {
  const Json report = read_report(path);
  const auto value = [&](const char* name) {
    require(report.contains(name) && report[name].is_number(), path, ": no report of a step: ", name,
            " is missing (tweedie-bench --model ... --json prints one)");
    return report[name].get<double>();
  };
  const Json image = report.value("image", Json());
  require(image.is_array() && image.size() == 2 && image[0].is_number() && image[1].is_number(), path,
          ": no report of a step: image is missing");
  return fmt::format("{:<24} {:<9} {:>5} {:>11} {:>10.2f} {:>19.2f} {:>17.2f}  {}\n",
                     report.value("model", ""), report.value("precision", ""), int(value("batch")),
                     fmt::format("{}x{}", image[0].get<int>(), image[1].get<int>()),
                     value("step_seconds") * 1e3, value("step_over_convolution"),
                     value("peak_bytes_above_weights") / (1 << 30), report.value("device", ""));
}

}  // namespace

std::string table_of_steps(const std::vector<std::string>& paths) {
  std::string text =
      fmt::format("{:<24} {:<9} {:>5} {:>11} {:>10} {:>19} {:>17}  {}\n", "model", "precision", "batch",
                  "image", "step ms", "step / convolutions", "GiB above weights", "device");
  for (const std::string& path : paths) text += line_of(path);
  return text;
}

}  // namespace tweedie::bench
