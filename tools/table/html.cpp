#include "tools/table/html.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "tools/files.hpp"
#include "tools/image.hpp"

namespace tweedie::table {
namespace {

namespace fs = std::filesystem;

constexpr const char* style =
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:110em;padding:0 1.5em;color:#222}"
    "h1{margin-bottom:.2em}h2{margin-top:2em;border-bottom:2px solid #ddd}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .9em;text-align:left;"
    "vertical-align:top}thead th{border-bottom:2px solid #999;position:sticky;top:0;background:#fff}"
    "tr.first>*{border-top:1px solid #999}td.task{font-weight:600;max-width:14em}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "tr:hover "
    "td:not(.task){background:#f4f7fb}.best{font-weight:bold}.spread,.paper{color:#666;font-weight:normal}"
    ".paper{display:block;font-size:12px}"
    ".row{display:grid;grid-template-columns:repeat(auto-fill,minmax(160px,1fr));gap:14px 10px;"
    "max-width:110em}"
    "figure{margin:0}figcaption{font-size:13px;line-height:1.35}figcaption span{color:#666}"
    "img{width:100%;image-rendering:pixelated;display:block;background:#eee}img+img{margin-top:3px}"
    ".note{color:#555;max-width:60em}.scale{display:inline-block;width:10em;height:.8em;"
    "margin:0 .5em;vertical-align:middle}";

// Says whether all pictures are there: the page may have been copied without its folder.
constexpr const char* script =
    "addEventListener('load',()=>{const all=[...document.images],bad=all.filter(i=>!i.naturalWidth).length;"
    "document.getElementById('pictures').textContent=bad?`${bad} of ${all.length} pictures are missing: "
    "this page shows those of the folder cells beside it`:'';});";

std::string escaped(const std::string& text) {
  static const std::map<char, const char*> entities = {
      {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}};
  std::string out;
  for (const char c : text) {
    const auto entity = entities.find(c);
    out += entity == entities.end() ? std::string(1, c) : entity->second;
  }
  return out;
}

// A path below the page's folder, as part of an address.
std::string address(const std::string& path, const std::string& out) {
  std::string text;
  for (const char c : fs::path(path).lexically_relative(out).generic_string()) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '/' || c == '.' || c == '-' || c == '_';
    text += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return text;
}

std::string picture(const std::string& path, const std::string& out, const std::string& what) {
  return fmt::format("<img src=\"{}\" alt=\"{}\" loading=eager>", address(path, out), escaped(what));
}

// |restored - original|, the mean over the channels: dark is 0, pale a quarter of what is between black and
// white.
void write_error(const Cell& cell) {
  const std::string path = cell.folder + "/error.png";
  if (fs::exists(path)) return;
  const Image restored = read_image(cell.folder + "/restored.png");
  const Image original = read_image(cell.folder + "/original.png");
  std::vector<float> error(restored.plane(), 0.f);
  for (std::size_t i = 0; i < restored.data.size(); ++i)
    error[i % restored.plane()] += std::abs(restored.data[i] - original.data[i]) / float(restored.channels);
  write_heat_map(path, error, restored.height, restored.width, 0, 0.5f);
}

// The colours of such a map from its least value to its largest, as a gradient.
std::string scale_of_errors() {
  std::string colours;
  constexpr int stops = 9;
  for (int k = 0; k < stops; ++k) {
    const auto [r, g, b] = heat_colour(double(k) / (stops - 1));
    const auto level = [](float v) { return std::lround(127.5 * (double(v) + 1)); };
    colours += fmt::format("{}rgb({},{},{})", k ? "," : "", level(r), level(g), level(b));
  }
  return fmt::format(
      "<p class=note>Below each result where it is off: <span>0</span><span class=scale "
      "style=\"background:linear-gradient(to right,{})\"></span>a quarter of what is between black and white "
      "(mean over the channels).</p>\n",
      colours);
}

std::string number(const Figures& figures, const Entry& e, std::size_t m) {
  const metrics::Metric& metric = figures.metrics[m];
  const std::optional<Figure>& f = e.figures[m];
  std::string text = fmt::format("<td class=\"n{}\" data-metric=\"{}\">",
                                 is_best(figures, e, m) ? " best" : "", escaped(metric.name));
  if (!f) return text + "-</td>";
  text += fmt::format("{:.{}f}", f->mean, metric.digits);
  if (f->deviation)
    text += fmt::format("<span class=spread> &plusmn; {:.{}f}</span>", *f->deviation, metric.digits);
  if (f->published) text += fmt::format("<span class=paper>paper {}</span>", *f->published);
  return text + "</td>";
}

std::string numbers(const Figures& figures) {
  const bool samples = std::any_of(figures.entries.begin(), figures.entries.end(),
                                   [](const Entry& e) { return e.inside.has_value(); });
  std::string text = "<table><thead><tr><th>task</th><th>method</th><th class=n>images</th>";
  for (const metrics::Metric& metric : figures.metrics)
    text += fmt::format("<th class=n>{} {}</th>", escaped(metric.tool),
                        metric.higher_is_better ? "&uarr;" : "&darr;");
  text += "<th class=n>&chi;&sup2;</th>";
  if (samples) text += "<th class=n>truth inside 50 %, 90 %</th>";
  text += "<th class=n>s a run</th><th class=n>GiB</th></tr></thead><tbody>\n";
  const Row* task = nullptr;
  for (const Entry& e : figures.entries) {
    text += fmt::format("<tr{} data-task=\"{}\" data-method=\"{}\">", e.task == task ? "" : " class=first",
                        escaped(e.task->name), escaped(e.method->name));
    // A task's name stands beside all of its rows.
    if (e.task != task) {
      const auto rows = std::count_if(figures.entries.begin(), figures.entries.end(),
                                      [&](const Entry& other) { return other.task == e.task; });
      text += fmt::format("<td class=task rowspan={}>{}</td>", rows, escaped(e.task->name));
    }
    text += fmt::format("<td>{}</td><td class=n>{}</td>", escaped(e.method->name),
                        e.complete == e.wanted ? fmt::format("{}", e.complete)
                                               : fmt::format("{} of {}", e.complete, e.wanted));
    task = e.task;
    for (std::size_t m = 0; m < figures.metrics.size(); ++m) text += number(figures, e, m);
    text += fmt::format("<td class=n>{}</td>", chi2_of(e));
    if (samples)
      text += e.inside ? fmt::format("<td class=n>{:.0f} %, {:.0f} %</td>", 100 * (*e.inside)[0],
                                     100 * (*e.inside)[1])
                       : "<td class=n>-</td>";
    text += fmt::format("<td class=n>{:.1f}</td><td class=n>{:.2f}</td></tr>\n", e.seconds,
                        double(e.memory) / double(1 << 30));
  }
  return text +
         "</tbody></table>\n<p class=note>Means &plusmn; standard deviations between images; bold: the best "
         "mean "
         "of the task. &chi;&sup2;: |y - A x|&sup2; / (m &sigma;&sup2;) of m numbers with noise &sigma;; 1 "
         "is "
         "what the noise makes, far more does not explain the measurement, far less fits its noise.</p>\n";
}

std::string lists(const Table& table) {
  std::string text;
  for (const auto& [title, lines] : {std::pair{"Unlike the source", &table.differs},
                                     std::pair{"What the source leaves open", &table.ambiguities}}) {
    if (lines->empty()) continue;
    text += fmt::format("<h2>{}</h2><ul>", title);
    for (const std::string& line : *lines) text += "<li>" + escaped(line) + "</li>";
    text += "</ul>\n";
  }
  return text;
}

// What this image scores by the first metric of pairs.
std::string first_score(const Cell& cell, const Figures& figures) {
  for (const metrics::Metric& metric : figures.metrics) {
    if (metric.of != metrics::Of::pair) continue;
    const std::optional<double> score = score_of(cell, metric);
    return score ? fmt::format(" <span>{} {:.3g}</span>", escaped(metric.name), *score) : "";
  }
  return {};
}

std::string result_of(const Cell& cell, const Figures& figures, const std::string& out) {
  write_error(cell);
  std::string shown = picture(cell.folder + "/restored.png", out, cell.method->name) +
                      picture(cell.folder + "/error.png", out, "error of " + cell.method->name);
  // What a blind run found besides, beside the truth.
  for (const char* unknown : {"kernel", "tilt"})
    if (const std::string path = cell.folder + "/" + unknown + "_comparison.png"; fs::exists(path))
      shown += picture(path, out, std::string(unknown) + ", true and found");
  return "<figure>" + shown + "<figcaption>" + escaped(cell.method->name) + first_score(cell, figures) +
         "</figcaption></figure>\n";
}

std::string given(const Cell& cell, const std::string& out) {
  std::string text;
  for (const char* what : {"original", "measurement"})
    text += "<figure>" + picture(cell.folder + "/" + what + ".png", out, what) + "<figcaption>" + what +
            "</figcaption></figure>\n";
  return text;
}

std::string pictures(const Row& task, const Figures& figures, const std::vector<Cell>& cells,
                     const std::string& out, int most_images) {
  std::string text = "<h2>" + escaped(task.name) + "</h2>\n", name;
  int images = 0;
  bool open = false;
  for (const Cell& cell : cells) {
    if (cell.task != &task || !cell.complete()) continue;
    if (!open || cell.name != name) {
      if (open) text += "</div>\n";
      open = images++ < most_images;
      if (!open) return text + "<p class=note>Further images are in the folder cells.</p>\n";
      name = cell.name;
      text += fmt::format("<h3>{}</h3><div class=row>\n", escaped(name)) + given(cell, out);
    }
    text += result_of(cell, figures, out);
  }
  return open ? text + "</div>\n" : text;
}

}  // namespace

std::string as_html(const Table& table, const Figures& figures, const std::vector<Cell>& cells,
                    const std::string& out, int most_images) {
  std::string text = fmt::format(
      "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport "
      "content=\"width=device-width\"><title>{}</title><style>{}</style></head><body>\n"
      "<h1>{}</h1><p class=note>{}</p><p class=note id=pictures></p>\n",
      escaped(table.name), style, escaped(table.name), escaped(table.source));
  text += numbers(figures) + lists(table) + "<h2>Pictures</h2>\n" + scale_of_errors();
  for (const Row& task : table.tasks) text += pictures(task, figures, cells, out, most_images);
  return text + "<script>" + script + "</script></body></html>\n";
}

}  // namespace tweedie::table
