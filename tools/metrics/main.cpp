// tweedie-metrics: how far the images of one folder are from those of another.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "tools/device_option.hpp"
#include "tools/files.hpp"
#include "tools/metrics/evaluation.hpp"
#include "tools/metrics/folders.hpp"
#include "tools/numbers.hpp"
#include "tools/report.hpp"
#include "tools/run_main.hpp"
#include "tools/say.hpp"
#include "tools/threads.hpp"

namespace tweedie::metrics {
namespace {

struct Options {
  EvaluationOptions evaluation;
  std::string metrics = "psnr,ssim", device = "auto", csv;
  bool json = false, list = false;
};

std::string list_of_metrics() {
  std::string text;
  for (const Metric& m : catalogue())
    text +=
        fmt::format("  {:<28} {}, {} is better\n", m.name, m.tool, m.higher_is_better ? "higher" : "lower");
  return text + "  fid and kid are short for fid-pytorch and kid-fidelity\n";
}

std::string number(double value, int digits) {
  return std::isinf(value) ? (value < 0 ? "-inf" : "inf") : fmt::format("{:.{}f}", value, digits);
}

std::string table(const Options& o, const Evaluation& e) {
  std::string text = fmt::format("{} against {}", o.evaluation.images, o.evaluation.references);
  if (!e.pairs.empty()) text += fmt::format(": {} pair{}", e.pairs.size(), e.pairs.size() == 1 ? "" : "s");
  text += fmt::format("\n{:<40} {:>12} {:>12} {:>12} {:>12}\n", "", "mean", "spread", "least", "greatest");
  for (const Score& s : e.scores) {
    const int digits = s.metric.digits;
    const auto [least, greatest] = std::minmax_element(s.values.begin(), s.values.end());
    const bool one = s.metric.of != Of::pair;
    text += fmt::format("{:<40} {:>12} {:>12} {:>12} {:>12}", s.metric.tool, number(s.mean, digits),
                        s.deviation ? number(*s.deviation, digits) : "", one ? "" : number(*least, digits),
                        one ? "" : number(*greatest, digits));
    text.erase(text.find_last_not_of(' ') + 1);
    if (s.infinite) text += fmt::format("  ({} infinite, of equal images, left out of the mean)", s.infinite);
    if (!s.note.empty()) text += fmt::format("  ({})", s.note);
    text += "\n";
  }
  return text;
}

// JSON has no infinity.
Json json_number(double value) { return std::isfinite(value) ? Json(value) : Json(number(value, 0)); }

Json report(const Options& o, const Evaluation& e) {
  Json scores = Json::object();
  for (const Score& s : e.scores) {
    Json row{{"tool", s.metric.tool},
             {"mean", json_number(s.mean)},
             {"spread", s.deviation ? Json(*s.deviation) : Json()},
             {"higher_is_better", s.metric.higher_is_better}};
    if (s.metric.of == Of::pair) {
      row["infinite"] = s.infinite;
      for (std::size_t k = 0; k < e.pairs.size(); ++k)
        row["values"][e.pairs[k].name] = json_number(s.values[k]);
    }
    if (!s.note.empty()) row["of"] = s.note;
    scores[s.metric.name] = row;
  }
  return {{"images", o.evaluation.images},
          {"references", o.evaluation.references},
          {"pairs", e.pairs.size()},
          {"metrics", scores}};
}

// A field with a comma, a quote or a line's end is quoted (RFC 4180).
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string csv(const Evaluation& e) {
  std::string text = "image";
  for (const Score& s : e.scores)
    if (s.metric.of == Of::pair) text += "," + field(s.metric.name);
  text += "\n";
  for (std::size_t k = 0; k < e.pairs.size(); ++k) {
    text += field(e.pairs[k].name);
    for (const Score& s : e.scores)
      if (s.metric.of == Of::pair) text += fmt::format(",{}", s.values[k]);
    text += "\n";
  }
  return text;
}

void describe(CLI::App& app, Options& o) {
  app.description(
      "Scores images against references, each metric exactly as the tool it is named after computes it.\n"
      "Pairs are files of one name (00017.png and 00017.jpg); FID and KID compare the folders as sets. Exit "
      "code 0, "
      "or 2 on bad input.");
  app.add_option("IMAGES", o.evaluation.images, "Folder of images (PNG, JPEG, TIFF), or one image");
  app.add_option("REFERENCES", o.evaluation.references,
                 "Folder of references, or one image; for FID also an .npz of mu and sigma");
  app.add_option("-m,--metrics", o.metrics, "Names, with commas between; --list shows all")
      ->capture_default_str();
  app.add_option(
         "--networks", o.evaluation.networks,
         "Folder of lpips_vgg.h5, lpips_alex.h5, lpips_squeeze.h5, inception_fid.h5, as tweedie-convert "
         "makes them")
      ->capture_default_str();
  app.add_flag("--common", o.evaluation.common, "Leave out images without a partner");
  add_seed_option(app, o.evaluation.seed, "Of the subsets that KID is averaged over");
  add_device_option(app, o.device);
  app.add_flag("--json", o.json, "Print a JSON report instead of a table");
  app.add_option("--csv", o.csv, "Also write the numbers of each pair to this file");
  app.add_flag("--quiet", o.evaluation.quiet, "No progress");
  app.add_flag("--list", o.list, "List the metrics and stop");
  app.footer(
      "Examples:\n"
      "  tweedie-metrics out/ truth/\n"
      "  tweedie-metrics out/ truth/ -m psnr-piq,ssim-piq,lpips-piq-avgpool --networks networks/\n"
      "  tweedie-metrics out/ ffhq_clean_trainval70k_256.npz -m fid-clean --networks networks/");
}

/// Errors: an option that none of the metrics looks at.
void require_of_use(const CLI::App& app, const Options& o) {
  const auto asks_for = [&](const char* part) { return o.metrics.find(part) != std::string::npos; };
  require(app.count("--seed") == 0 || asks_for("kid"), "--seed means nothing without kid");
  require(app.count("--networks") == 0 || asks_for("lpips") || asks_for("fid") || asks_for("kid"),
          "--networks means nothing to ", o.metrics, ", which need none");
}

int run(Options& o) {
  if (o.list) {
    print_result(list_of_metrics());
    return 0;
  }
  require(!o.evaluation.images.empty() && !o.evaluation.references.empty(),
          "give a folder of images and a folder of references (see tweedie-metrics --help)");
  o.evaluation.metrics = parse_metrics(o.metrics);
  const bool any_pair = std::any_of(o.evaluation.metrics.begin(), o.evaluation.metrics.end(),
                                    [](const Metric& m) { return m.of == Of::pair; });
  require(o.csv.empty() || any_pair, "--csv ", o.csv, ": none of these metrics has a number for each pair");
  if (!o.csv.empty()) {
    for (const std::string& of : {o.evaluation.images, o.evaluation.references})
      for (const std::string& file : std::filesystem::is_directory(of) ? image_files(of) : std::vector{of})
        note_read(file);
    require_writable(o.csv);
  }
  Context context(choose_device(o.device));
  const Evaluation e = evaluate(context, o.evaluation);
  if (!o.csv.empty()) atomic_write(o.csv, csv(e));
  print_result(o.json ? report(o, e).dump(2, ' ', false, Json::error_handler_t::replace) + "\n"
                      : table(o, e));
  return 0;
}

}  // namespace
}  // namespace tweedie::metrics

int main(int argc, char** argv) {
  tweedie::wait_politely(argv);
  return tweedie::run_main("tweedie-metrics", argc, argv, [](CLI::App& app, int count, char** words) {
    tweedie::metrics::Options options;
    tweedie::metrics::describe(app, options);
    app.parse(count, words);
    tweedie::metrics::require_of_use(app, options);
    return tweedie::metrics::run(options);
  });
}
