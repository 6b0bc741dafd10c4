// tweedie-sample: images from the prior alone, as a grid.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "tools/device_option.hpp"
#include "tools/files.hpp"
#include "tools/image.hpp"
#include "tools/numbers.hpp"
#include "tools/prior.hpp"
#include "tools/programs.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"
#include "tools/run_main.hpp"
#include "tools/sampler_option.hpp"
#include "tools/say.hpp"

namespace tweedie {
namespace {

struct Options {
  PriorChoice prior;
  std::string output, device = "auto", precision = "fp32";
  SamplerChoice sampler;
  std::vector<int> labels;
  double class_guidance = 1;
  int count = 4, height = 0, width = 0, steps = 0, channels = 3;
  std::uint64_t seed = 0;
  bool quiet = false;
  std::vector<std::string> command;
};

Shape image_shape(const Options& o, const Prior& prior) {
  const int side = prior.network ? prior.network->unet->config().image_size : 256;
  const Shape s{1, prior.channels() ? prior.channels() : o.channels, o.height ? o.height : side,
                o.width ? o.width : side};
  require(s.H % prior.stride() == 0 && s.W % prior.stride() == 0, "an image of ", s.W, "x", s.H,
          " pixels: this network needs sides that are multiples of ", prior.stride());
  require(s.C == 1 || s.C == 3, "the network makes images of ", s.C,
          " channels; only 1 or 3 can be written as PNG");
  return s;
}

Image sample_one(Context& context, const Options& o, const Prior& prior, const Schedule& schedule,
                 Shape shape, int index) {
  context.start_stream(std::uint64_t(index));
  if (!o.labels.empty()) prior.set_labels({o.labels[std::size_t(index) % o.labels.size()]});
  const SamplerOptions options = sampler_options(o.sampler, prior.variance());
  Progress progress(fmt::format("image {}/{}", index + 1, o.count), schedule.steps(),
                    o.quiet ? ProgressStyle::quiet : ProgressStyle::automatic);
  ContextNoise noise(context);
  const Tensor x = sample(context, prior.denoiser(), schedule, options, context.normal(shape), nullptr, noise,
                          [&](const Step& step, const Tensor&) {
                            progress.update(step.executed + 1);
                            return true;
                          });
  return clipped({shape.C, shape.H, shape.W, context.download(x)});
}

int run(const Options& o) {
  Context context(choose_device(o.device), o.seed);
  context.queue.set_precision(choose_precision(o.precision));
  Prior prior = load_prior(context, o.prior);
  prior.guide_to_classes(context, o.class_guidance);
  const Schedule schedule = prior.schedule(o.steps);
  const Shape shape = image_shape(o, prior);
  prior.set_labels(o.labels);  // refuses unknown ones before anything is written
  std::vector<std::string> names{"grid.png", "report.json"};
  for (int i = 0; i < o.count; ++i) names.push_back(fmt::format("image_{}.png", i + 1));
  const OutputDirectory output(o.output, names);
  const auto path = [&](const std::string& name) {
    return (std::filesystem::path(o.output) / name).string();
  };
  std::vector<Image> images;
  for (int i = 0; i < o.count; ++i) {
    images.push_back(sample_one(context, o, prior, schedule, shape, i));
    write_png(path(names[std::size_t(i) + 2]), images.back());
  }
  const int columns = int(std::ceil(std::sqrt(double(o.count))));
  write_png(path("grid.png"), contact_sheet(images, columns));
  Json report = start_report({"tweedie-sample", o.command, device_description(context.device()), o.seed});
  report["precision"] = o.precision;
  report["prior"] = prior.description;
  report["sampler"] = describe(o.sampler, schedule.steps());
  report["image"] = {{"count", o.count}, {"height", shape.H}, {"width", shape.W}, {"channels", shape.C}};
  if (!o.labels.empty()) report["labels"] = o.labels;
  if (prior.guided) report["class_guidance"] = o.class_guidance;
  report["peak_device_bytes"] = context.queue.meter().peak;
  write_report(path("report.json"), report);
  say(stdout, fmt::format("wrote {} and {} images\n", path("grid.png"), o.count));
  return 0;
}

}  // namespace

int sample_program(int argc, char** argv) {
  return run_main("tweedie-sample", argc, argv, [](CLI::App& app, int count, char** words) {
    Options o;
    o.command.assign(words, words + count);
    app.description("Draws images from a prior: a trained network, or the analytic spectrum prior.\n" +
                    describe_samplers());
    app.footer("Written: image_1.png, image_2.png, ..., grid.png, report.json.");
    add_prior_options(app, o.prior);
    app.add_option("--count", o.count, "Images to draw")
        ->capture_default_str()
        ->check(whole_number(1, 10000));
    app.add_option("--label", o.labels, "Classes, repeated over the images, for class-conditional networks")
        ->check(whole_number(0));
    add_class_guidance_option(app, o.class_guidance);
    app.add_option("--height", o.height, "Rows (0: the network's image size, or 256)")
        ->check(whole_number(0));
    app.add_option("--width", o.width, "Columns (0: likewise)")->check(whole_number(0));
    add_sampler_options(app, o.sampler);
    app.add_option("--steps", o.steps, "Sampling steps (0: all the prior was made with)")
        ->capture_default_str()
        ->check(whole_number(0));
    add_seed_option(app, o.seed, "Seed");
    add_device_option(app, o.device);
    add_precision_option(app, o.precision);
    app.add_option("-o,--output", o.output, "Folder for the results (made if missing)")->required();
    app.add_flag("--quiet", o.quiet, "No progress");
    app.parse(count, words);
    require_of_use(app, o.sampler);
    sampler_options(o.sampler, Variance::fixed_small);  // refuses before anything is loaded
    return run(o);
  });
}

}  // namespace tweedie
