#include "tools/table/figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "tools/files.hpp"
#include "tools/image.hpp"
#include "tools/metrics/evaluation.hpp"
#include "weights/read_files.hpp"

namespace tweedie::table {
namespace {

namespace fs = std::filesystem;
using metrics::Metric;
using metrics::Of;

// The scores of a cell, kept in its folder: each metric is computed once.
class Scores {
 public:
  explicit Scores(const Cell& cell) : path_(cell.folder + "/scores.json") {
    if (fs::exists(path_)) values_ = Json::parse(read_file(path_, std::size_t(1) << 20), nullptr, false);
    note_own(path_);
    if (!values_.is_object()) values_ = Json::object();
  }
  bool has(const std::string& metric) const { return values_.contains(metric); }
  // JSON has no infinity, which equal images score; null is no score.
  std::optional<double> get(const std::string& metric) const {
    const Json value = values_.value(metric, Json());
    if (value.is_null()) return {};
    return value.is_number() ? value.get<double>() : INFINITY;
  }
  void set(const std::string& metric, std::optional<double> value) {
    values_[metric] = !value ? Json() : std::isfinite(*value) ? Json(*value) : Json("inf");
    changed_ = true;
  }
  void save() const {
    if (changed_) atomic_write(path_, values_.dump() + "\n");
  }

 private:
  std::string path_;
  Json values_;
  bool changed_ = false;
};

// Metrics of pairs whose networks are loaded once.
class PairMetrics {
 public:
  PairMetrics(Context& context, const std::string& networks) : context_(context), networks_(networks) {}
  const metrics::PairMetric& get(const Metric& metric) {
    const auto found = ready_.find(metric.name);
    if (found != ready_.end()) return found->second;
    return ready_.emplace(metric.name, metrics::make_pair_metric(context_, metric, networks_)).first->second;
  }

 private:
  Context& context_;
  std::string networks_;
  std::map<std::string, metrics::PairMetric> ready_;
};

// Metrics of kernels are of what a blind run found, not of pictures.
const char* of_kernel(const Metric& metric) {
  for (const auto& [name, key] :
       {std::pair{"mnc", "mnc"}, {"kernel-mse-sum1", "mse_sum1"}, {"kernel-mse-max1", "mse_max1"}})
    if (metric.name == name) return key;
  return nullptr;
}

std::optional<double> kernel_score(const Cell& cell, const char* key) {
  const Json report = report_of(cell);
  const Json none, &found = report.value(Json::json_pointer("/samples/0/unknowns/kernel"), none);
  return found.is_object() && found.contains(key) ? std::optional(found[key].get<double>()) : std::nullopt;
}

void score(const Cell& cell, const std::vector<Metric>& wanted, PairMetrics& ready) {
  Scores scores(cell);
  std::optional<metrics::Planes> restored, truth;
  for (const Metric& metric : wanted) {
    if (metric.of != Of::pair || scores.has(metric.name)) continue;
    if (const char* key = of_kernel(metric)) {
      scores.set(metric.name, kernel_score(cell, key));
      continue;
    }
    if (!restored) {
      restored = metrics::planes_of(read_image(cell.folder + "/restored.png"));
      truth = metrics::planes_of(read_image(cell.folder + "/original.png"));
    }
    scores.set(metric.name, ready.get(metric)(*restored, *truth));
  }
  scores.save();
}

std::vector<Metric> metrics_of(const Table& table) {
  std::string list;
  for (const std::string& name : table.metrics) list += (list.empty() ? "" : ",") + name;
  return metrics::parse_metrics(list);
}

std::optional<Figure> figure_of(const std::vector<double>& values) {
  Figure f;
  double squares = 0;
  for (const double value : values)
    if (std::isfinite(value)) {
      ++f.images;
      f.mean += value;
    }
  if (f.images == 0) return {};
  f.mean /= f.images;
  for (const double value : values)
    if (std::isfinite(value)) squares += (value - f.mean) * (value - f.mean);
  if (f.images > 1) f.deviation = std::sqrt(squares / (f.images - 1));
  return f;
}

// Metrics of sets see two folders: links to the pictures of all complete cells. They lie on this machine and
// are this process's own, for others may be at the same table.
class LinkedSets {
 public:
  explicit LinkedSets(const std::vector<const Cell*>& cells)
      : folder_((fs::temp_directory_path() / "tweedie-table-XXXXXX").string()) {
    require(::mkdtemp(folder_.data()), folder_, ": cannot be made");
    for (const char* name : {"restored", "original"}) {
      fs::create_directory(path(name));
      for (const Cell* cell : cells)
        fs::create_symlink(fs::absolute(fs::path(cell->folder) / (std::string(name) + ".png")),
                           fs::path(path(name)) / (cell->name + ".png"));
    }
  }
  ~LinkedSets() {
    std::error_code none;
    fs::remove_all(folder_, none);
  }
  LinkedSets(const LinkedSets&) = delete;
  LinkedSets& operator=(const LinkedSets&) = delete;
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

 private:
  std::string folder_;
};

std::optional<Figure> figure_of_sets(Context& context, const Metric& metric,
                                     const std::vector<const Cell*>& cells, const std::string& networks) {
  if (cells.size() < 2) return {};
  const LinkedSets sets(cells);
  metrics::EvaluationOptions options;
  options.images = sets.path("restored");
  options.references = sets.path("original");
  options.metrics = {metric};
  options.networks = networks;
  options.quiet = true;
  Figure f;
  f.images = int(cells.size());
  f.mean = metrics::evaluate(context, options).scores.front().mean;
  return f;
}

Entry entry_of(Context& context, const std::vector<const Cell*>& cells, const std::vector<Metric>& wanted,
               const std::string& networks) {
  Entry entry;
  entry.task = cells.front()->task;
  entry.method = cells.front()->method;
  entry.wanted = int(cells.size());
  std::vector<const Cell*> done;
  for (const Cell* cell : cells)
    if (cell->complete()) done.push_back(cell);
  entry.complete = int(done.size());
  for (const Cell* cell : done) {
    const Json report = report_of(*cell);
    entry.seconds += report["seconds"].get<double>() / double(done.size());
    const double share = 1 / double(done.size());
    if (report.contains("data_misfit"))
      entry.chi2 = entry.chi2.value_or(0) + share * report["data_misfit"]["chi2"].get<double>();
    if (report.contains("calibration")) {
      if (!entry.inside) entry.inside = {0, 0};
      (*entry.inside)[0] += share * report["calibration"]["inside_central_50"].get<double>();
      (*entry.inside)[1] += share * report["calibration"]["inside_central_90"].get<double>();
    }
    entry.memory = std::max(entry.memory, report.value("peak_resident_bytes", std::uint64_t(0)));
  }
  for (const Metric& metric : wanted) {
    if (metric.of != Of::pair) {
      entry.figures.push_back(figure_of_sets(context, metric, done, networks));
      continue;
    }
    std::vector<double> values;
    for (const Cell* cell : done)
      if (const auto value = score_of(*cell, metric)) values.push_back(*value);
    entry.figures.push_back(figure_of(values));
  }
  return entry;
}

}  // namespace

void require_metrics(Context& context, const Table& table, const std::string& networks) {
  for (const Metric& metric : metrics_of(table))
    if (metric.of == Of::pair) metrics::make_pair_metric(context, metric, networks);
}

std::optional<double> score_of(const Cell& cell, const Metric& metric) {
  return Scores(cell).get(metric.name);
}

Figures sum_up(Context& context, const Table& table, const std::vector<Cell>& cells,
               const std::string& networks) {
  Figures figures;
  figures.metrics = metrics_of(table);
  PairMetrics ready(context, networks);
  for (const Cell& cell : cells)
    if (cell.complete()) score(cell, figures.metrics, ready);
  for (const Row& task : table.tasks)
    for (const Row& method : table.methods) {
      std::vector<const Cell*> of_entry;
      for (const Cell& cell : cells)
        if (cell.task == &task && cell.method == &method) of_entry.push_back(&cell);
      if (of_entry.empty()) continue;
      Entry entry = entry_of(context, of_entry, figures.metrics, networks);
      for (std::size_t m = 0; m < figures.metrics.size(); ++m)
        for (const Published& p : table.published)
          if (entry.figures[m] && p.task == task.name && p.method == method.name &&
              p.metric == figures.metrics[m].name)
            entry.figures[m]->published = p.value;
      figures.complete += entry.complete;
      figures.wanted += entry.wanted;
      figures.entries.push_back(std::move(entry));
    }
  return figures;
}

}  // namespace tweedie::table
