#include "tools/table/figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "tools/files.hpp"
#include "tools/image.hpp"
#include "tools/metrics/evaluation.hpp"

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
    if (!values_.is_object()) values_ = Json::object();
  }
  bool has(const std::string& metric) const { return values_.contains(metric); }
  // JSON has no infinity, which equal images score.
  double get(const std::string& metric) const {
    const Json& value = values_.at(metric);
    return value.is_number() ? value.get<double>() : INFINITY;
  }
  void set(const std::string& metric, double value) {
    values_[metric] = std::isfinite(value) ? Json(value) : Json("inf");
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

void score(const Cell& cell, const std::vector<Metric>& wanted, PairMetrics& ready) {
  Scores scores(cell);
  std::optional<metrics::Planes> restored, truth;
  for (const Metric& metric : wanted) {
    if (metric.of != Of::pair || scores.has(metric.name)) continue;
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

// Metrics of sets see two folders: links to the pictures of all complete cells.
std::optional<Figure> figure_of_sets(Context& context, const Metric& metric,
                                     const std::vector<const Cell*>& cells, const std::string& networks,
                                     const std::string& out) {
  if (cells.size() < 2) return {};
  const fs::path folder = fs::path(out) / "sets";
  std::error_code none;
  fs::remove_all(folder, none);
  for (const char* name : {"restored", "original"}) {
    fs::create_directories(folder / name);
    for (const Cell* cell : cells)
      fs::create_symlink(fs::absolute(fs::path(cell->folder) / (std::string(name) + ".png")),
                         folder / name / (cell->name + ".png"));
  }
  metrics::EvaluationOptions options;
  options.images = (folder / "restored").string();
  options.references = (folder / "original").string();
  options.metrics = {metric};
  options.networks = networks;
  options.quiet = true;
  const metrics::Evaluation evaluation = metrics::evaluate(context, options);
  fs::remove_all(folder, none);
  Figure f;
  f.images = int(cells.size());
  f.mean = evaluation.scores.front().mean;
  return f;
}

Entry entry_of(Context& context, const std::vector<const Cell*>& cells, const std::vector<Metric>& wanted,
               const std::string& networks, const std::string& out) {
  Entry entry{cells.front()->task, cells.front()->method, 0, int(cells.size()), {}, 0, 0, 0};
  std::vector<const Cell*> done;
  for (const Cell* cell : cells)
    if (cell->complete()) done.push_back(cell);
  entry.complete = int(done.size());
  for (const Cell* cell : done) {
    const Json report = report_of(*cell);
    entry.seconds += report["seconds"].get<double>() / double(done.size());
    entry.misfit += report.value("relative_misfit", 0.0) / double(done.size());
    entry.memory = std::max(entry.memory, report.value("peak_resident_bytes", std::uint64_t(0)));
  }
  for (const Metric& metric : wanted) {
    if (metric.of != Of::pair) {
      entry.figures.push_back(figure_of_sets(context, metric, done, networks, out));
      continue;
    }
    std::vector<double> values;
    for (const Cell* cell : done) values.push_back(Scores(*cell).get(metric.name));
    entry.figures.push_back(figure_of(values));
  }
  return entry;
}

std::string escaped(const std::string& text, const char* special) {
  std::string out;
  for (const char c : text) {
    if (std::string_view(special).find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string joined(const std::vector<std::string>& lines, const char* before) {
  std::string text;
  for (const std::string& line : lines) text += before + line + "\n";
  return text;
}

std::string cost_of(const Entry& e) {
  if (e.complete == 0) return "-";
  return fmt::format("{:.1f} s, {:.2f} GiB", e.seconds, double(e.memory) / double(1 << 30));
}

std::string misfit_of(const Entry& e) {
  return e.complete == 0 || e.misfit == 0 ? "-" : fmt::format("{:.2f}", e.misfit);
}

// The best mean of a task by a metric, to be set off.
bool best(const Figures& figures, const Entry& entry, std::size_t m) {
  const bool higher = figures.metrics[m].higher_is_better;
  for (const Entry& other : figures.entries)
    if (other.task == entry.task && other.figures[m] && entry.figures[m] &&
        (higher ? other.figures[m]->mean > entry.figures[m]->mean
                : other.figures[m]->mean < entry.figures[m]->mean))
      return false;
  return entry.figures[m].has_value();
}

}  // namespace

void require_metrics(Context& context, const Table& table, const std::string& networks) {
  for (const Metric& metric : metrics_of(table))
    if (metric.of == Of::pair) metrics::make_pair_metric(context, metric, networks);
}

std::string text_of(const std::optional<Figure>& f, int digits) {
  if (!f) return "-";
  std::string text = fmt::format("{:.{}f}", f->mean, digits);
  if (f->deviation) text += fmt::format(" +- {:.{}f}", *f->deviation, digits);
  if (f->published) text += fmt::format(" (paper {})", *f->published);
  return text;
}

Figures sum_up(Context& context, const Table& table, const std::vector<Cell>& cells,
               const std::string& networks, const std::string& out) {
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
      Entry entry = entry_of(context, of_entry, figures.metrics, networks, out);
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

std::string as_text(const Table& table, const Figures& figures) {
  std::vector<std::vector<std::string>> rows{{"task", "method", "images"}};
  for (const Metric& metric : figures.metrics) rows[0].push_back(metric.tool);
  rows[0].insert(rows[0].end(), {"misfit", "a run"});
  for (const Entry& e : figures.entries) {
    std::vector<std::string> row{e.task->name, e.method->name, fmt::format("{}/{}", e.complete, e.wanted)};
    for (std::size_t m = 0; m < figures.metrics.size(); ++m)
      row.push_back(text_of(e.figures[m], figures.metrics[m].digits) + (best(figures, e, m) ? " *" : ""));
    row.insert(row.end(), {misfit_of(e), cost_of(e)});
    rows.push_back(std::move(row));
  }
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (std::size_t k = 0; k < row.size(); ++k) widths[k] = std::max(widths[k], row[k].size());
  std::string text = table.name + (table.source.empty() ? "" : ": " + table.source) + "\n\n";
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t k = 0; k < row.size(); ++k) line += fmt::format("{:<{}}  ", row[k], widths[k]);
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  text +=
      "\n* the best mean of its task. Misfit: |y - A x| relative to what the noise makes of it (1: as "
      "much).\n";
  if (!table.differs.empty()) text += "\nUnlike the source:\n" + joined(table.differs, "  - ");
  if (!table.ambiguities.empty())
    text += "\nWhat the source leaves open:\n" + joined(table.ambiguities, "  - ");
  return text;
}

std::string as_markdown(const Table& table, const Figures& figures) {
  std::string text = fmt::format("# {}\n\n{}\n\n| task | method | images |", table.name, table.source);
  for (const Metric& metric : figures.metrics) text += " " + metric.tool + " |";
  text += " misfit | a run |\n|---|---|---|";
  for (std::size_t m = 0; m < figures.metrics.size() + 2; ++m) text += "---|";
  text += "\n";
  for (const Entry& e : figures.entries) {
    text += fmt::format("| {} | {} | {}/{} |", escaped(e.task->name, "|"), escaped(e.method->name, "|"),
                        e.complete, e.wanted);
    for (std::size_t m = 0; m < figures.metrics.size(); ++m) {
      const std::string number = text_of(e.figures[m], figures.metrics[m].digits);
      text += best(figures, e, m) ? " **" + number + "** |" : " " + number + " |";
    }
    text += fmt::format(" {} | {} |\n", misfit_of(e), cost_of(e));
  }
  if (!table.differs.empty()) text += "\nUnlike the source:\n\n" + joined(table.differs, "- ");
  if (!table.ambiguities.empty())
    text += "\nWhat the source leaves open:\n\n" + joined(table.ambiguities, "- ");
  return text;
}

std::string as_csv(const Figures& figures) {
  std::string text = "task,method,metric,images,mean,deviation,published\n";
  for (const Entry& e : figures.entries)
    for (std::size_t m = 0; m < figures.metrics.size(); ++m) {
      if (!e.figures[m]) continue;
      const Figure& f = *e.figures[m];
      text += fmt::format("{},{},{},{},{},{},{}\n", field(e.task->name), field(e.method->name),
                          figures.metrics[m].name, f.images, f.mean,
                          f.deviation ? fmt::format("{}", *f.deviation) : "",
                          f.published ? fmt::format("{}", *f.published) : "");
    }
  return text;
}

std::string as_latex(const Table& table, const Figures& figures) {
  constexpr const char* special = "&%$#_{}";
  std::string text = fmt::format("% {}: {}\n\\begin{{tabular}}{{ll{}}}\n\\hline\nTask & Method", table.name,
                                 table.source, std::string(figures.metrics.size(), 'c'));
  for (const Metric& metric : figures.metrics) text += " & " + escaped(metric.tool, special);
  text += " \\\\\n\\hline\n";
  const Row* task = nullptr;
  for (const Entry& e : figures.entries) {
    text += (e.task == task ? std::string() : escaped(e.task->name, special)) + " & " +
            escaped(e.method->name, special);
    task = e.task;
    for (std::size_t m = 0; m < figures.metrics.size(); ++m) {
      if (!e.figures[m]) {
        text += " & --";
        continue;
      }
      const std::string mean = fmt::format("{:.{}f}", e.figures[m]->mean, figures.metrics[m].digits);
      text += best(figures, e, m) ? " & \\textbf{" + mean + "}" : " & " + mean;
      if (e.figures[m]->deviation)
        text += fmt::format(" $\\pm$ {:.{}f}", *e.figures[m]->deviation, figures.metrics[m].digits);
    }
    text += " \\\\\n";
  }
  return text + "\\hline\n\\end{tabular}\n";
}

Json as_json(const Table& table, const Figures& figures) {
  Json json{{"name", table.name},           {"source", table.source},
            {"differs", table.differs},     {"ambiguities", table.ambiguities},
            {"complete", figures.complete}, {"wanted", figures.wanted}};
  for (const Entry& e : figures.entries) {
    Json entry{{"task", e.task->name},       {"method", e.method->name}, {"complete", e.complete},
               {"wanted", e.wanted},         {"seconds", e.seconds},     {"peak_resident_bytes", e.memory},
               {"relative_misfit", e.misfit}};
    for (std::size_t m = 0; m < figures.metrics.size(); ++m) {
      if (!e.figures[m]) continue;
      const Figure& f = *e.figures[m];
      entry["metrics"][figures.metrics[m].name] = {{"tool", figures.metrics[m].tool},
                                                   {"images", f.images},
                                                   {"mean", f.mean},
                                                   {"deviation", f.deviation ? Json(*f.deviation) : Json()},
                                                   {"published", f.published ? Json(*f.published) : Json()}};
    }
    json["entries"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace tweedie::table
