// tweedie-restore: an image in, degraded by a task and restored; or a measurement restored.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "tools/device_option.hpp"
#include "tools/files.hpp"
#include "tools/metrics.hpp"
#include "tools/posterior.hpp"
#include "tools/report.hpp"
#include "tools/restore/method.hpp"
#include "tools/restore/pictures.hpp"
#include "tools/restore/solve.hpp"
#include "tools/restore/task_file.hpp"
#include "tools/run_main.hpp"

namespace tweedie {
namespace {

Json quality(const Image& image, const Image& original) {
  Json json{{"psnr_db", psnr(image, original)}};
  if (std::min(image.height, image.width) >= ssim_window) json["ssim"] = ssim(image, original);
  return json;
}

/// The image turned by half a turn, which has the same magnitudes.
Image half_turned(Image image) {
  for (int c = 0; c < image.channels; ++c) {
    const auto plane = image.data.begin() + std::ptrdiff_t(image.index(c, 0, 0));
    std::reverse(plane, plane + std::ptrdiff_t(image.plane()));
  }
  return image;
}

std::optional<double> half_turned_psnr(const Run& run, const Problem& p) {
  if (!p.original || p.task.shows != Shows::magnitudes) return {};
  return psnr(half_turned(run.restored), *p.original);
}

Json describe(const Run& run, const Problem& p) {
  Json entry{{"misfit", run.misfit}};
  if (run.seconds_per_step > 0) entry["seconds_per_step"] = run.seconds_per_step;
  if (p.original) entry.update(quality(run.restored, *p.original));
  if (const auto turned = half_turned_psnr(run, p)) entry["psnr_half_turned_db"] = *turned;
  return entry;
}

std::string psnr_text(const Run& run, const Problem& p) {
  if (!p.original) return {};
  const double upright = psnr(run.restored, *p.original), turned = half_turned_psnr(run, p).value_or(0);
  return fmt::format(", PSNR {:.2f} dB{}", upright,
                     turned > upright ? fmt::format(" ({:.2f} dB turned by half a turn)", turned) : "");
}

Json describe(const Solution& solution, const Problem& p) {
  Json list = Json::array();
  for (const Sample& sample : solution.samples) {
    Json entry = describe(sample.best, p);
    if (sample.runs.size() > 1)
      for (const Run& run : sample.runs) entry["runs"].push_back(describe(run, p));
    list.push_back(entry);
  }
  return list;
}

// Of restarts: who succeeded is seen by the misfit, without the truth.
void print_runs(const Solution& solution, const Problem& p, const std::optional<double>& expected) {
  for (std::size_t i = 0; i < solution.samples.size(); ++i) {
    const Sample& sample = solution.samples[i];
    for (std::size_t k = 0; k < sample.runs.size(); ++k)
      fmt::print("sample {}, run {}: misfit {:.4g}{}\n", i + 1, k + 1, sample.runs[k].misfit,
                 psnr_text(sample.runs[k], p));
    fmt::print("sample {}, kept:  misfit {:.4g}{}\n", i + 1, sample.best.misfit, psnr_text(sample.best, p));
  }
  if (expected) fmt::print("misfit of the noise alone: {:.4g}\n", *expected);
}

struct Results {
  Views views;
  Image restored;
  std::vector<Image> samples;
};

Json make_report(Context& context, const Options& o, const Problem& problem, const Prior& prior,
                 const Solution& solution, const Results& results, const std::vector<std::string>& pictures) {
  Json report = start_report({"tweedie-restore", o.command, device_description(context.device()), o.seed});
  report["task"] = {
      {"name", problem.task.name}, {"operator", problem.task.settings}, {"noise", to_json(problem.noise)}};
  if (o.measurement.empty())
    if (const Json mask = describe_mask(problem.task, o.operation); !mask.is_null())
      report["task"]["mask"] = mask;
  if (!problem.measurement.noise) report["task"]["noise"]["guessed"] = true;
  // Of the classical methods one has a prior.
  report["prior"] = is_classical(o.method) && o.method != "wiener" ? Json() : Json(prior.description);
  if (o.label) report["label"] = *o.label;
  for (const auto& [key, value] : solution.settings.items()) report[key] = value;
  const Shape& image = problem.image;
  report["image"] = {{"height", image.H}, {"width", image.W}, {"channels", image.C}};
  if (const auto expected = problem.expected_misfit(context)) report["expected_misfit"] = *expected;
  if (problem.original) {
    if (results.views.before) report["before"] = quality(*results.views.before, *problem.original);
    report["after"] = quality(results.restored, *problem.original);
    if (results.samples.size() > 1)
      report["calibration"] = {{"inside_central_50", coverage(results.samples, *problem.original, 0.5)},
                               {"inside_central_90", coverage(results.samples, *problem.original, 0.9)}};
  }
  report["samples"] = describe(solution, problem);
  report["pictures"] = pictures;
  report["peak_device_bytes"] = context.queue.meter().peak;
  if (const auto peak = peak_memory_bytes()) report["peak_resident_bytes"] = *peak;
  return report;
}

void print_summary(const Problem& problem, const Solution& solution, const Json& report,
                   const std::optional<double>& expected) {
  const bool restarted = solution.samples[0].runs.size() > 1;
  if (restarted) print_runs(solution, problem, expected);
  if (!problem.original) return;
  const double after = report["after"]["psnr_db"].get<double>();
  if (report.contains("before"))
    fmt::print("{}: PSNR {:.2f} dB before, {:.2f} dB after\n", problem.task.name,
               report["before"]["psnr_db"].get<double>(), after);
  else
    fmt::print("{}: PSNR {:.2f} dB\n", problem.task.name, after);
  if (report.contains("calibration"))
    fmt::print("truth inside the samples' central 50 %: {:.0f} %, 90 %: {:.0f} %\n",
               100 * report["calibration"]["inside_central_50"].get<double>(),
               100 * report["calibration"]["inside_central_90"].get<double>());
}

int restore(const Options& o) {
  require_inputs_survive(o);
  Context context(choose_device(o.device), o.seed);
  const Prior prior = load_prior(context, o.weights);
  prior.set_labels(o.label ? std::vector{*o.label} : std::vector<int>{});
  if (!o.model_config.empty()) {
    require(prior.network.has_value(), "--model-config ", o.model_config,
            ": there is no network: give --weights");
    check_model_file(o.model_config, *prior.network, o.weights);
  }
  if (!o.diffusion_config.empty())
    check_diffusion_file(o.diffusion_config, prior.network ? prior.network->diffusion : DiffusionConfig{});
  const Problem problem = pose(context, o, prior);
  const OutputDirectory output(o.output);
  const Solution solution = solve(context, o, problem, prior);

  Results results{view_measurement(context, problem), {}, {}};
  for (const Sample& sample : solution.samples) results.samples.push_back(sample.best.restored);
  results.restored = mean_of(results.samples);
  const auto path = [&](const char* name) { return (std::filesystem::path(o.output) / name).string(); };
  const std::vector<std::string> earlier = earlier_pictures(o.output);
  std::vector<std::string> pictures =
      write_pictures(o.output, problem.original, results.views, results.restored, results.samples);
  write_measurement(context, path("measurement.h5"), problem.measurement);
  const std::vector<std::string> kept = remove_earlier_pictures(o, earlier, pictures);
  pictures.insert(pictures.end(), kept.begin(), kept.end());
  const Json report = make_report(context, o, problem, prior, solution, results, pictures);
  write_report(path("report.json"), report);
  print_summary(problem, solution, report, problem.expected_misfit(context));
  fmt::print("wrote {}\n", path("restored.png"));
  return 0;
}

}  // namespace
}  // namespace tweedie

int main(int argc, char** argv) {
  using namespace tweedie;
  return run_main("tweedie-restore", argc, argv, [](CLI::App& app, int count, char** words) {
    try {
      return restore(read_options(app, count, words));
    } catch (const nlohmann::json::exception& error) {  // from files: an operator's settings
      throw Error(message("a setting has another type than expected: ", error.what()));
    }
  });
}
