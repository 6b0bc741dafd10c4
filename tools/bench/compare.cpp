#include "tools/bench/compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <vector>

#include "kernels/error.hpp"
#include "weights/strict_json.hpp"

namespace tweedie::bench {
namespace {

constexpr double least_difference = 0.02;  // of medians: clocks of two processes differ by as much

/// The middle half of a row's repeats and their median, in seconds.
struct Row {
  std::string kernel, shape;
  double low, median, high;
};

double seconds(const Json& row, const std::string& name) {
  require(row.contains(name) && row[name].is_number() && row[name] > 0, "a bench's report: ", name,
          " is missing or not a positive number in ", row.dump());
  return row[name];
}

Row row_of(const Json& json, std::string kernel, std::string shape, const std::string& name) {
  const bool quartiles = json.contains(name + "_low") && json.contains(name + "_high");
  const Row row{std::move(kernel), std::move(shape), seconds(json, name + (quartiles ? "_low" : "_min")),
                seconds(json, name), seconds(json, name + (quartiles ? "_high" : "_max"))};
  require(row.low <= row.median && row.median <= row.high, "a bench's report: ", name,
          " is outside of its own range in ", json.dump());
  return row;
}

std::vector<Row> rows_of(const Json& report) {
  std::vector<Row> rows;
  for (const auto& [key, what] :
       {std::pair{"step_seconds", "DPS step"}, {"training_seconds", "training step"}})
    if (report.contains(key)) rows.push_back(row_of(report, what, report.value("model", ""), key));
  if (report.contains("rows"))
    for (const Json& each : report["rows"]) {
      require(each.is_object() && each.contains("kernel") && each["kernel"].is_string(),
              "a bench's report: a row without a kernel: ", each.dump());
      if (each.contains("seconds"))
        rows.push_back(row_of(each, each["kernel"], each.value("shape", ""), "seconds"));
    }
  return rows;
}

const char* verdict(const Row& old, const Row& now) {
  if (now.low > old.high && now.median > (1 + least_difference) * old.median) return "worse";
  if (now.high < old.low && old.median > (1 + least_difference) * now.median) return "better";
  return "same";
}

Json row_json(const Row& row) { return {{"kernel", row.kernel}, {"shape", row.shape}}; }

}  // namespace

Json read_report(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  require(file.good(), path, ": cannot be read");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Json report = parse_json(text, path);
  require(report.is_object() && report.contains("device"), path,
          ": expected what tweedie-bench --json printed (a JSON object with a device)");
  return report;
}

Json compare_reports(const Json& old, const Json& now) {
  for (const char* same : {"device", "threads", "precision", "model", "batch", "image"})
    // Reports of CUDA devices, and of earlier versions, do not state threads.
    require((same == std::string("threads") && !old.contains(same)) ||
                old.value(same, Json()) == now.value(same, Json()),
            "--compare: ", same, " was ", old.value(same, Json()).dump(), " and is ",
            now.value(same, Json()).dump(), ": only runs of the same can be compared");
  std::map<std::pair<std::string, std::string>, Row> before;
  for (Row& row : rows_of(old)) before.insert({{row.kernel, row.shape}, row});
  Json comparison;
  comparison["rows"] = Json::array();
  int worse = 0, common = 0;
  for (const Row& row : rows_of(now)) {
    Json json = row_json(row);
    const auto found = before.find({row.kernel, row.shape});
    if (found != before.end()) {
      const Row& earlier = found->second;
      json["old_seconds"] = earlier.median;
      json["new_seconds"] = row.median;
      json["ratio"] = row.median / earlier.median;
      json["verdict"] = verdict(earlier, row);
      worse += json["verdict"] == "worse";
      common += 1;
      before.erase(found);
    } else {
      json["verdict"] = "new";
    }
    comparison["rows"].push_back(std::move(json));
  }
  require(common > 0, "--compare: the reports have no row in common");
  for (const auto& [key, row] : before) {
    Json json = row_json(row);
    json["verdict"] = "gone";
    comparison["rows"].push_back(std::move(json));
  }
  comparison["worse"] = worse;
  return comparison;
}

std::string describe_comparison(const Json& comparison) {
  std::string text = fmt::format("{:<8} {:<26} {:<46} {:>12} {:>12} {:>9}\n", "verdict", "kernel", "shape",
                                 "old us", "new us", "new / old");
  for (const Json& row : comparison["rows"]) {
    text += fmt::format("{:<8} {:<26} {:<46}", row["verdict"].get<std::string>(),
                        row["kernel"].get<std::string>(), row["shape"].get<std::string>());
    if (row.contains("ratio"))
      text += fmt::format(" {:12.1f} {:12.1f} {:9.3f}", row["old_seconds"].get<double>() * 1e6,
                          row["new_seconds"].get<double>() * 1e6, row["ratio"].get<double>());
    text += "\n";
  }
  const int worse = comparison["worse"];
  return text + (worse ? fmt::format("{} got worse\n", worse) : "nothing got worse\n");
}

}  // namespace tweedie::bench
