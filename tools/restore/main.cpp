// tweedie-restore: an image in, degraded by a task and restored; or a measurement restored.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "engine/guidance.hpp"
#include "operators/composed.hpp"
#include "tools/device_option.hpp"
#include "tools/files.hpp"
#include "tools/metrics.hpp"
#include "tools/prior.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"
#include "tools/restore/pictures.hpp"
#include "tools/restore/task.hpp"
#include "tools/run_main.hpp"

namespace tweedie {
namespace {

struct Options {
  std::string task, input, measurement, weights, output, device = "auto", sampler = "ddpm", method = "dps";
  TaskOptions operation;
  double sigma = 0.05, zeta = -1, eta = 0;
  int steps = 0, samples = 1;
  std::uint64_t seed = 0;
  bool quiet = false, no_clip = false;
  std::vector<std::string> command;
};

/// The problem as posed: what is known of the truth, what was measured, and how.
struct Problem {
  std::optional<Image> original;
  std::unique_ptr<ForwardOperator> op;  ///< on images of `image`'s shape
  Tensor y;
  Shape image;   ///< (1, C, H, W) of the picture
  Shape padded;  ///< the same, with the sides the prior needs
};

int round_up(int n, int to) { return (n + to - 1) / to * to; }

Image as_channels(const Image& image, int channels) {
  if (channels == 0 || image.channels == channels) return image;
  return channels == 3 ? to_rgb(image) : to_gray(image);
}

Problem pose(Context& context, const Options& o, const Task& task, const Prior& prior) {
  std::vector<std::string> notes;
  Problem p;
  Image shown;
  if (!o.input.empty()) {
    p.original = as_channels(read_image(o.input, &notes), prior.channels());
    p.image = {1, p.original->channels, p.original->height, p.original->width};
  }
  if (!o.measurement.empty()) {
    shown = as_channels(read_image(o.measurement, &notes), prior.channels());
    const Shape from{1, shown.channels, shown.height * task.shrinks, shown.width * task.shrinks};
    require(!p.original || p.image == from, o.measurement, ": belongs to an image of ", from, ", but ",
            o.input, " is ", p.image);
    require(task.name != "inpainting_random" && task.name != "inpainting_box", "task ", task.name,
            " draws its own mask; restore a measurement with --task inpainting --mask FILE");
    p.image = from;
  }
  for (const std::string& note : notes) fmt::print(stderr, "tweedie-restore: note: {}\n", note);
  const int stride = prior.stride();
  p.padded = {1, p.image.C, round_up(p.image.H, stride), round_up(p.image.W, stride)};
  p.op = make_task_operator(context, task, o.operation, p.image.H, p.image.W, o.seed);
  const Shape measured = p.op->output_shape(p.image);
  if (!o.measurement.empty()) {
    require(measured == Shape{1, shown.channels, shown.height, shown.width}, o.measurement, ": ",
            describe(shown), "; the task's measurement of such an image is ", measured);
    p.y = context.upload(measured, shown.data);
    p.op->discard_unmeasured(p.y);
  } else {
    p.y = add_noise(context, task.noise, p.op->forward(context.upload(p.image, p.original->data)), *p.op);
  }
  if (p.padded != p.image) p.op = on_crop(context, p.image.H, p.image.W, std::move(p.op));
  return p;
}

struct Run {
  Image restored;
  double distance = 0, seconds_per_step = 0;
};

Run restore_once(Context& context, const Options& o, Problem& p, const Prior& prior, const Schedule& schedule,
                 double zeta, int index) {
  context.start_stream(std::uint64_t(index) + 1);  // stream 0 made the measurement
  const auto guidance = make_guidance(context, {o.method, zeta}, *p.op, p.y);
  const SamplerOptions options{o.sampler == "ddim" ? Method::ddim : Method::ddpm, prior.variance(), o.eta,
                               !o.no_clip};
  const std::string label = o.samples == 1 ? "restore" : fmt::format("sample {}/{}", index + 1, o.samples);
  Progress progress(label, schedule.steps(), o.quiet ? ProgressStyle::quiet : ProgressStyle::automatic);
  ContextNoise noise(context);
  Run run;
  const Tensor x =
      sample(context, prior.denoiser(), schedule, options, context.normal(p.padded), guidance.get(), noise,
             [&](const Step& step, const Tensor&) {
               run.distance = std::sqrt(context.download(guidance->distance_squared())[0]);
               require(std::isfinite(run.distance), "the sampler diverged at step ", step.executed + 1,
                       " of ", schedule.steps(), ": try a smaller --zeta than ", zeta);
               progress.update(step.executed + 1, run.distance);
               return true;
             });
  run.seconds_per_step = progress.seconds_per_step();
  const Image full{p.padded.C, p.padded.H, p.padded.W, context.download(x)};
  run.restored = clipped(crop(full, 0, 0, p.image.H, p.image.W));
  return run;
}

Json quality(const Image& image, const Image& original) {
  Json json{{"psnr_db", psnr(image, original)}};
  if (std::min(image.height, image.width) >= ssim_window) json["ssim"] = ssim(image, original);
  return json;
}

int restore(const Options& o) {
  Task task = make_task(o.task, o.operation);
  if (o.sigma > 0)
    task.noise = {"gaussian", o.sigma};
  else
    task.noise = {"none", 0};
  Context context(choose_device(o.device), o.seed);
  const Prior prior = load_prior(context, o.weights);
  const Schedule schedule = prior.schedule(o.steps);
  Problem problem = pose(context, o, task, prior);
  const double zeta = o.zeta >= 0     ? o.zeta
                      : prior.network ? task.zeta_network
                                      : task.zeta_spectrum * std::sqrt(double(problem.y.shape().size()));
  const OutputDirectory output(o.output);

  std::vector<Run> runs;
  for (int i = 0; i < o.samples; ++i)
    runs.push_back(restore_once(context, o, problem, prior, schedule, zeta, i));

  const Shape m = problem.y.shape();
  const Image measured = clipped({m.C, m.H, m.W, context.download(problem.y)});
  std::vector<Image> restored;
  for (const Run& run : runs) restored.push_back(run.restored);
  const Pictures pictures = write_pictures(o.output, problem.original, measured, restored);

  Json report = start_report({"tweedie-restore", o.command, device_description(context.device()), o.seed});
  report["task"] = {{"name", task.name}, {"operator", task.settings}, {"noise", to_json(task.noise)}};
  report["prior"] = prior.description;
  report["sampler"] = {
      {"name", o.sampler}, {"steps", schedule.steps()}, {"eta", o.eta}, {"clip_denoised", !o.no_clip}};
  report["guidance"] = {{"name", o.method}, {"zeta", zeta}};
  report["image"] = {{"height", problem.image.H}, {"width", problem.image.W}, {"channels", problem.image.C}};
  if (problem.original) {
    report["before"] = quality(pictures.before, *problem.original);
    report["after"] = quality(pictures.restored, *problem.original);
  }
  for (const Run& run : runs) {
    Json entry{{"distance", run.distance}, {"seconds_per_step", run.seconds_per_step}};
    if (problem.original) entry.update(quality(run.restored, *problem.original));
    report["samples"].push_back(entry);
  }
  report["peak_device_bytes"] = context.queue.meter().peak;
  if (const auto peak = peak_memory_bytes()) report["peak_resident_bytes"] = *peak;
  write_report((std::filesystem::path(o.output) / "report.json").string(), report);

  if (problem.original)
    fmt::print("{}: PSNR {:.2f} dB before, {:.2f} dB after\n", task.name,
               report["before"]["psnr_db"].get<double>(), report["after"]["psnr_db"].get<double>());
  fmt::print("wrote {}\n", (std::filesystem::path(o.output) / "restored.png").string());
  return 0;
}

void declare(CLI::App& app, Options& o) {
  app.description("Restores an image by diffusion posterior sampling.\n" + describe_tasks());
  app.footer(
      "Examples:\n"
      "  tweedie-restore --task inpainting_random --drop 0.7 --input photo.png -o out\n"
      "  tweedie-restore --task gaussian_blur --input photo.jpg --weights ffhq.h5 --steps 100 -o out\n"
      "  tweedie-restore --task inpainting --mask holes.png --measurement damaged.png -o out\n"
      "Pixels and sigma are in units of [-1, 1] images. Written: restored.png, measurement.png, "
      "comparison.png,\n"
      "report.json; with --samples N also each sample, their mean and their standard deviation as a heat "
      "map.");
  app.add_option("--task", o.task, "What was measured (see above)")->required();
  app.add_option("--input", o.input,
                 "Image (PNG, JPEG) to degrade and restore; or, with --measurement, the truth");
  app.add_option("--measurement", o.measurement,
                 "Restore this measurement (PNG, JPEG) instead of simulating one");
  app.add_option("--weights", o.weights,
                 "Weight file of a trained prior; without it, the analytic spectrum prior");
  app.add_option("--mask", o.operation.mask, "Mask for inpainting: white is observed");
  app.add_option("--drop", o.operation.drop, "inpainting_random: fraction of pixels lost")
      ->capture_default_str();
  app.add_option("--box", o.operation.box,
                 "inpainting_box: side of the hole in pixels (0: half the image, 128 at most)");
  app.add_option("--factor", o.operation.factor, "super_resolution: reduction")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  app.add_option("--kernel-size", o.operation.kernel_size, "gaussian_blur: odd number of pixels")
      ->capture_default_str();
  app.add_option("--blur-sigma", o.operation.blur_sigma, "gaussian_blur: pixels")->capture_default_str();
  app.add_option("--sigma", o.sigma, "Standard deviation of the noise; 0: none")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--sampler", o.sampler, "ddpm (ancestral) or ddim")
      ->check(CLI::IsMember({"ddpm", "ddim"}))
      ->capture_default_str();
  app.add_option("--eta", o.eta, "ddim: 0 is deterministic, 1 as noisy as ddpm")->check(CLI::Range(0.0, 1.0));
  app.add_option("--method", o.method, "Guidance by the measurement (README: which suits which task)")
      ->check(CLI::IsMember({"dps", "mcg", "projection", "ilvr", "ps+", "noisy-gradient"}))
      ->capture_default_str();
  app.add_option("--steps", o.steps, "Sampling steps (0: all the prior was made with)")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--zeta", o.zeta, "Step size of the guidance (default: the task's)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--samples", o.samples, "Samples to draw of the posterior")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  app.add_option("--seed", o.seed, "Seed of mask, noise and sampler")->capture_default_str();
  add_device_option(app, o.device);
  app.add_option("-o,--output", o.output, "Folder for the results (made if missing)")->required();
  app.add_flag("--no-clip", o.no_clip, "Do not clip the estimate of the image to [-1, 1] inside the sampler");
  app.add_flag("--quiet", o.quiet, "No progress");
}

}  // namespace
}  // namespace tweedie

int main(int argc, char** argv) {
  using namespace tweedie;
  return run_main("tweedie-restore", argc, argv, [](CLI::App& app, int count, char** words) {
    Options options;
    options.command.assign(words, words + count);
    declare(app, options);
    app.parse(count, words);
    require(!options.input.empty() || !options.measurement.empty(),
            "give an image with --input or a --measurement");
    for (const auto& [option, value] : {std::pair{"--sigma", options.sigma},
                                        {"--zeta", options.zeta},
                                        {"--eta", options.eta},
                                        {"--drop", options.operation.drop},
                                        {"--blur-sigma", options.operation.blur_sigma}})
      require(std::isfinite(value), option, ": ", value, " is not a finite number");
    return restore(options);
  });
}
