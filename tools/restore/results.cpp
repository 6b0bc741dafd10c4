#include "tools/restore/results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "operators/measurement_file.hpp"
#include "tools/arrays.hpp"
#include "tools/metrics.hpp"
#include "tools/posterior.hpp"
#include "tools/restore/blind.hpp"
#include "tools/restore/views.hpp"
#include "tools/say.hpp"

namespace tweedie {
namespace {

/// The image turned by half a turn, which has the same magnitudes.
Image half_turned(Image image) {
  for (int c = 0; c < image.channels; ++c) {
    const auto plane = image.data.begin() + std::ptrdiff_t(image.index(c, 0, 0));
    std::reverse(plane, plane + std::ptrdiff_t(image.plane()));
  }
  return image;
}

std::optional<Quality> quality(const Image& image, const Problem& p) {
  if (!p.original) return {};
  Quality q;
  q.psnr = psnr(image, *p.original);
  if (std::min(image.height, image.width) >= ssim_window) q.ssim = ssim(image, *p.original);
  if (p.description().shows() == Shows::magnitudes) q.half_turned = psnr(half_turned(image), *p.original);
  return q;
}

std::string psnr_text(const Run& run, const Problem& p) {
  const std::optional<Quality> q = quality(run.restored, p);
  if (!q) return {};
  const double turned = q->half_turned.value_or(0);
  return fmt::format(", PSNR {:.2f} dB{}", q->psnr,
                     turned > q->psnr ? fmt::format(" ({:.2f} dB turned by half a turn)", turned) : "");
}

}  // namespace

Results judge(const Problem& p, const Solution& solution) {
  Results r;
  double least = solution.samples.front().best.misfit;
  for (const Sample& sample : solution.samples) {
    r.samples.push_back(sample.best.restored);
    least = std::min(least, sample.best.misfit);
  }
  r.restored = mean_of(r.samples);
  if (p.views.before) r.before = quality(*p.views.before, p);
  r.after = quality(r.restored, p);
  if (p.original && r.samples.size() > 1)
    r.inside = {coverage(r.samples, *p.original, 0.5), coverage(r.samples, *p.original, 0.9)};
  if (p.expected_misfit.value_or(0) > 0) {
    r.relative_misfit = least / *p.expected_misfit;
    r.misfit = metrics::data_misfit(least, p.noisy, p.noise.sigma);
  } else if (p.noise.kind == NoiseKind::gaussian && p.noise.sigma > 0 &&
             p.description().shows() == Shows::picture) {
    r.guessed_misfit = least / (p.noise.sigma * std::sqrt(double(p.noisy)));
  }
  return r;
}

void print_results(Context& context, const Problem& p, const Solution& solution, const Results& r) {
  // Of restarts, who succeeded is seen by the misfit, without the truth.
  if (solution.samples[0].runs.size() > 1) {
    for (std::size_t i = 0; i < solution.samples.size(); ++i) {
      const Sample& sample = solution.samples[i];
      for (std::size_t k = 0; k < sample.runs.size(); ++k)
        say(stdout, fmt::format("sample {}, run {}: misfit {:.4g}{}\n", i + 1, k + 1, sample.runs[k].misfit,
                                psnr_text(sample.runs[k], p)));
      say(stdout, fmt::format("sample {}, kept:  misfit {:.4g}{}\n", i + 1, sample.best.misfit,
                              psnr_text(sample.best, p)));
    }
    if (p.expected_misfit)
      say(stdout, fmt::format("misfit of the noise alone: {:.4g}\n", *p.expected_misfit));
  }
  if (r.after && r.before)
    say(stdout,
        fmt::format("{}: PSNR {:.2f} dB before, {:.2f} dB after\n", p.task, r.before->psnr, r.after->psnr));
  else if (r.after)
    say(stdout, fmt::format("{}: PSNR {:.2f} dB\n", p.task, r.after->psnr));
  print_unknowns(context, p, solution);
  if (r.inside)
    say(stdout, fmt::format("truth inside the samples' central 50 %: {:.0f} %, 90 %: {:.0f} %\n",
                            100 * (*r.inside)[0], 100 * (*r.inside)[1]));
  const double relative = r.relative_misfit.value_or(r.guessed_misfit.value_or(0));
  if (relative > Results::most_misfit)
    say(fmt::format(
        "tweedie-restore: note: the result does not explain the measurement: |y - A x| is {:.3g} times "
        "what {} makes of it; wrong units, kernel (or its orientation), mask or step size, or too "
        "few steps?\n",
        relative,
        r.relative_misfit ? std::string("the noise")
                          : fmt::format("noise of sigma {:.3g}, which is a guess,", p.noise.sigma)));
}

namespace {

Json to_json(const Quality& q) {
  Json json{{"psnr_db", q.psnr}};
  if (q.ssim) json["ssim"] = *q.ssim;
  return json;
}

Json describe(Context& context, const Run& run, const Problem& p) {
  Json entry{{"misfit", run.misfit}};
  if (run.seconds_per_step > 0) entry["seconds_per_step"] = run.seconds_per_step;
  if (const auto q = quality(run.restored, p)) {
    entry.update(to_json(*q));
    if (q->half_turned) entry["psnr_half_turned_db"] = *q->half_turned;
  }
  if (!run.unknowns.empty()) entry["unknowns"] = describe_unknowns(context, p, run);
  return entry;
}

Json describe(Context& context, const Solution& solution, const Problem& p) {
  Json list = Json::array();
  for (const Sample& sample : solution.samples) {
    Json entry = describe(context, sample.best, p);
    if (sample.runs.size() > 1)
      for (const Run& run : sample.runs) entry["runs"].push_back(describe(context, run, p));
    list.push_back(entry);
  }
  return list;
}

Json describe_task(const Options& o, const Problem& p) {
  Json task{{"name", p.task}, {"operator", to_json(p.description())}, {"noise", to_json(p.noise)}};
  if (!p.mask.is_null()) task["mask"] = p.mask;
  if (o.asked->files.contains("kernel")) task["kernel_is"] = o.asked->kernel_is_psf ? "psf" : "correlation";
  if (!p.measurement.noise) task["noise"]["guessed"] = true;
  task["observed"] = {{"values", p.observed}, {"of", p.y().shape().size()}};
  return task;
}

Json make_report(Context& context, const Options& o, const Prior& prior, const Problem& p,
                 const Solution& solution, const Results& r, const std::vector<std::string>& pictures) {
  Json report = start_report({"tweedie-restore", o.command, device_description(context.device()), o.seed});
  report["precision"] = o.precision;
  report["task"] = describe_task(o, p);
  report["prior"] = solution.uses_prior ? Json(prior.description) : Json();
  if (o.label) report["label"] = *o.label;
  if (o.class_guidance != 1) report["class_guidance"] = o.class_guidance;
  report.update(solution.settings);
  report["image"] = {{"height", p.image.H}, {"width", p.image.W}, {"channels", p.image.C}};
  if (p.expected_misfit) report["expected_misfit"] = *p.expected_misfit;
  if (r.relative_misfit) {
    report["relative_misfit"] = *r.relative_misfit;
    report["explains_measurement"] = !r.contradicts();
    report["data_misfit"] = {{"norm", r.misfit->norm},
                             {"rms", r.misfit->rms},
                             {"chi2", r.misfit->chi2},
                             {"excess", r.misfit->excess}};
  }
  if (r.before) report["before"] = to_json(*r.before);
  if (r.after) report["after"] = to_json(*r.after);
  if (r.inside)
    report["calibration"] = {{"inside_central_50", (*r.inside)[0]}, {"inside_central_90", (*r.inside)[1]}};
  report["samples"] = describe(context, solution, p);
  if (!p.notes.empty()) report["notes"] = p.notes;
  report["pictures"] = pictures;
  report["peak_device_bytes"] = context.queue.meter().peak;
  if (const auto peak = peak_memory_bytes()) report["peak_resident_bytes"] = *peak;
  return report;
}

void write_pictures(ResultFolder& folder, const Problem& p, const Results& r) {
  const auto write = [&](const std::string& name, const Image& image) {
    if (const auto path = folder.place(name)) write_png(*path, image);
  };
  write("measurement.png", p.views.measurement);
  write("restored.png", r.restored);
  std::vector<Image> row;
  if (p.original) {
    write("original.png", *p.original);
    row.push_back(*p.original);
  }
  row.push_back(p.views.before ? *p.views.before
                               : resized(p.views.measurement, r.restored.height, r.restored.width));
  row.push_back(r.restored);
  write("comparison.png", contact_sheet(row, int(row.size())));
  if (r.samples.size() < 2) return;
  for (std::size_t i = 0; i < r.samples.size(); ++i) write(sample_name(int(i)), r.samples[i]);
  const std::vector<float> map = deviation_of(r.samples, r.restored);
  const float high = std::max(*std::max_element(map.begin(), map.end()), 1e-6f);
  if (const auto path = folder.place("standard_deviation.png"))
    write_heat_map(*path, map, r.restored.height, r.restored.width, 0, high);
}

/// restored.npy and those of samples, as the method left them.
void write_arrays(ResultFolder& folder, const Solution& solution) {
  const auto write = [&](const std::string& name, const Image& x) {
    if (const auto path = folder.place(name)) write_npy(*path, {x.channels, x.height, x.width}, x.data);
  };
  std::vector<Image> samples;
  for (const Sample& sample : solution.samples) samples.push_back(sample.best.unclipped);
  write("restored.npy", mean_of(samples));
  for (std::size_t i = 0; i < samples.size() && samples.size() > 1; ++i)
    write(sample_array_name(int(i)), samples[i]);
}

}  // namespace

void write_results(Context& context, ResultFolder& folder, const Options& o, const Prior& prior,
                   const Problem& p, const Solution& solution, const Results& r) {
  write_pictures(folder, p, r);
  if (o.save_arrays) write_arrays(folder, solution);
  if (p.description().kind->blind) write_unknowns(context, folder, p, solution);
  if (const auto path = folder.place("measurement.h5")) write_measurement(context, *path, p.measurement);
  const auto report = folder.place("report.json");
  std::vector<std::string> pictures = folder.pictures();
  const std::vector<std::string> kept = folder.remove_earlier();
  pictures.insert(pictures.end(), kept.begin(), kept.end());
  write_report(*report, make_report(context, o, prior, p, solution, r, pictures));
}

}  // namespace tweedie
