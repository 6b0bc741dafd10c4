// The table as text, Markdown, CSV, LaTeX and JSON.
#include <fmt/format.h>

#include <algorithm>

#include "tools/table/figures.hpp"

namespace tweedie::table {
namespace {

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

bool has_samples(const Figures& figures) {
  return std::any_of(figures.entries.begin(), figures.entries.end(),
                     [](const Entry& e) { return e.inside.has_value(); });
}

/// Titles of the columns behind the metrics, and what stands in them.
std::vector<std::string> last_titles(const Figures& figures) {
  std::vector<std::string> titles{"chi^2"};
  if (has_samples(figures)) titles.push_back("truth inside 50 %, 90 %");
  titles.push_back("a run");
  return titles;
}

std::vector<std::string> last_columns(const Figures& figures, const Entry& e) {
  std::vector<std::string> columns{chi2_of(e)};
  if (has_samples(figures))
    columns.push_back(e.inside ? fmt::format("{:.0f} %, {:.0f} %", 100 * (*e.inside)[0], 100 * (*e.inside)[1])
                               : "-");
  columns.push_back(cost_of(e));
  return columns;
}

}  // namespace

std::string chi2_of(const Entry& e) { return e.chi2 ? fmt::format("{:.3g}", *e.chi2) : "-"; }

bool is_best(const Figures& figures, const Entry& entry, std::size_t m) {
  const bool higher = figures.metrics[m].higher_is_better;
  for (const Entry& other : figures.entries)
    if (other.task == entry.task && other.figures[m] && entry.figures[m] &&
        (higher ? other.figures[m]->mean > entry.figures[m]->mean
                : other.figures[m]->mean < entry.figures[m]->mean))
      return false;
  return entry.figures[m].has_value();
}

std::string text_of(const std::optional<Figure>& f, int digits) {
  if (!f) return "-";
  std::string text = fmt::format("{:.{}f}", f->mean, digits);
  if (f->deviation) text += fmt::format(" +- {:.{}f}", *f->deviation, digits);
  if (f->published) text += fmt::format(" (paper {})", *f->published);
  return text;
}

std::string as_text(const Table& table, const Figures& figures) {
  std::vector<std::vector<std::string>> rows{{"task", "method", "images"}};
  for (const metrics::Metric& metric : figures.metrics) rows[0].push_back(metric.tool);
  for (const std::string& title : last_titles(figures)) rows[0].push_back(title);
  for (const Entry& e : figures.entries) {
    std::vector<std::string> row{e.task->name, e.method->name, fmt::format("{}/{}", e.complete, e.wanted)};
    for (std::size_t m = 0; m < figures.metrics.size(); ++m)
      row.push_back(text_of(e.figures[m], figures.metrics[m].digits) + (is_best(figures, e, m) ? " *" : ""));
    for (const std::string& column : last_columns(figures, e)) row.push_back(column);
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
      "\n* the best mean of its task. chi^2: |y - A x|^2 / (m sigma^2), of m numbers with noise sigma: 1 is "
      "what "
      "the noise makes.\n";
  if (!table.differs.empty()) text += "\nUnlike the source:\n" + joined(table.differs, "  - ");
  if (!table.ambiguities.empty())
    text += "\nWhat the source leaves open:\n" + joined(table.ambiguities, "  - ");
  return text;
}

std::string as_markdown(const Table& table, const Figures& figures) {
  std::string text = fmt::format("# {}\n\n{}\n\n| task | method | images |", table.name, table.source);
  for (const metrics::Metric& metric : figures.metrics) text += " " + metric.tool + " |";
  const std::vector<std::string> last = last_titles(figures);
  for (const std::string& title : last) text += " " + title + " |";
  text += "\n|---|---|---|";
  for (std::size_t m = 0; m < figures.metrics.size() + last.size(); ++m) text += "---|";
  text += "\n";
  for (const Entry& e : figures.entries) {
    text += fmt::format("| {} | {} | {}/{} |", escaped(e.task->name, "|"), escaped(e.method->name, "|"),
                        e.complete, e.wanted);
    for (std::size_t m = 0; m < figures.metrics.size(); ++m) {
      const std::string number = text_of(e.figures[m], figures.metrics[m].digits);
      text += is_best(figures, e, m) ? " **" + number + "** |" : " " + number + " |";
    }
    for (const std::string& column : last_columns(figures, e)) text += " " + column + " |";
    text += "\n";
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
  for (const metrics::Metric& metric : figures.metrics) text += " & " + escaped(metric.tool, special);
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
      text += is_best(figures, e, m) ? " & \\textbf{" + mean + "}" : " & " + mean;
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
    Json entry{{"task", e.task->name},
               {"method", e.method->name},
               {"complete", e.complete},
               {"wanted", e.wanted},
               {"seconds", e.seconds},
               {"peak_resident_bytes", e.memory},
               {"chi2", e.chi2 ? Json(*e.chi2) : Json()}};
    if (e.inside) entry["inside_central_50_90"] = *e.inside;
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
