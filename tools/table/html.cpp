#include "tools/table/html.hpp"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "tools/image.hpp"

namespace tweedie::table {
namespace {

namespace fs = std::filesystem;

constexpr const char* style =
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:100em;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .8em;border-bottom:1px solid #ddd;"
    "text-align:left}td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".best{font-weight:bold}.row{display:flex;gap:8px;overflow-x:auto;padding:4px 0 1em}"
    "figure{margin:0;flex:0 0 auto}figcaption{font-size:12px;max-width:192px}"
    "img{width:192px;image-rendering:pixelated;display:block;background:#eee}.note{color:#555}";

// Marks what a test, and a reader, wants to know: whether all pictures are there.
constexpr const char* script =
    "addEventListener('load',()=>{const all=[...document.images],bad=all.filter(i=>!i.naturalWidth).length;"
    "document.getElementById('pictures').textContent=`${all.length-bad} of ${all.length} pictures "
    "loaded`;});";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text)
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
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

std::string figure(const std::string& path, const std::string& out, const std::string& caption) {
  return fmt::format("<figure><img src=\"{}\" alt=\"{}\"><figcaption>{}</figcaption></figure>",
                     address(path, out), escaped(caption), escaped(caption));
}

// |restored - original|, the mean over the channels: 0 dark, 0.5 of the scale of [-1, 1] pale.
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

std::string numbers(const Table& table, const Figures& figures) {
  std::string text = "<table><thead><tr><th>task</th><th>method</th><th>images</th>";
  for (const metrics::Metric& metric : figures.metrics) text += "<th>" + escaped(metric.tool) + "</th>";
  text += "<th>misfit</th><th>seconds a run</th></tr></thead><tbody>\n";
  for (const Entry& e : figures.entries) {
    text += fmt::format(
        "<tr data-task=\"{}\" data-method=\"{}\"><td>{}</td><td>{}</td><td class=n>{}/{}</td>", e.task->id(),
        e.method->id(), escaped(e.task->name), escaped(e.method->name), e.complete, e.wanted);
    for (std::size_t m = 0; m < figures.metrics.size(); ++m)
      text += fmt::format("<td class=\"n {}\">{}</td>", figures.metrics[m].name,
                          text_of(e.figures[m], figures.metrics[m].digits));
    text += fmt::format("<td class=n>{}</td><td class=n>{:.1f}</td></tr>\n",
                        e.misfit > 0 ? fmt::format("{:.2f}", e.misfit) : "-", e.seconds);
  }
  text +=
      "</tbody></table>\n<p class=note>Means +- deviations between images. Misfit: |y - A x| relative to "
      "what "
      "the noise makes of it.</p>\n";
  for (const auto& [title, lines] : {std::pair{"Unlike the source", &table.differs},
                                     std::pair{"What the source leaves open", &table.ambiguities}}) {
    if (lines->empty()) continue;
    text += fmt::format("<h2>{}</h2><ul>", title);
    for (const std::string& line : *lines) text += "<li>" + escaped(line) + "</li>";
    text += "</ul>\n";
  }
  return text;
}

}  // namespace

std::string as_html(const Table& table, const Figures& figures, const std::vector<Cell>& cells,
                    const std::string& out, int most_images) {
  std::string text = fmt::format(
      "<!doctype html><html lang=en><head><meta "
      "charset=utf-8><title>{}</title><style>{}</style></head><body>\n"
      "<h1>{}</h1><p>{}</p><p class=note id=pictures></p>\n",
      escaped(table.name), style, escaped(table.name), escaped(table.source));
  text += numbers(table, figures);
  for (const Row& task : table.tasks) {
    text += "<h2>" + escaped(task.name) + "</h2>\n";
    std::string name;
    int images = 0;
    for (const Cell& cell : cells) {
      if (cell.task != &task || !cell.complete()) continue;
      if (cell.name != name) {
        if (!name.empty()) text += "</div>\n";
        name.clear();
        if (images++ == most_images) break;
        name = cell.name;
        text += fmt::format("<h3>{}</h3><div class=row>", escaped(name));
        text += figure(cell.folder + "/original.png", out, "original");
        text += figure(cell.folder + "/measurement.png", out, "measurement");
      }
      write_error(cell);
      text += fmt::format(
          "<figure><img src=\"{}\" alt=\"{}\"><img src=\"{}\" alt=\"error\"><figcaption>{}"
          "</figcaption></figure>",
          address(cell.folder + "/restored.png", out), escaped(cell.method->name),
          address(cell.folder + "/error.png", out), escaped(cell.method->name));
    }
    if (!name.empty()) text += "</div>\n";
  }
  return text + "<script>" + script + "</script></body></html>\n";
}

}  // namespace tweedie::table
