#include "tools/train/options.hpp"

#include <filesystem>
#include <set>

#include "tools/device_option.hpp"
#include "tools/numbers.hpp"
#include "tools/sampler_option.hpp"
#include "tools/train/checkpoint.hpp"

namespace tweedie {
namespace {

// What the model's options say, before they become a configuration.
struct ModelWords {
  std::string config;
  int channels = 64, res_blocks = 2, head_channels = 32;
  std::vector<double> mult{1, 2, 2};
  std::vector<int> attention{16};
  bool learn_sigma = false;
  std::string schedule = "linear";
  int diffusion_steps = 1000;
};

void add_model_options(CLI::App& app, ModelWords& m) {
  const char* const group = "Model";
  app.add_option("--config", m.config,
                 "JSON or YAML file with guided-diffusion's keys, instead of those below")
      ->group(group);
  app.add_option("--model-channels", m.channels, "Channels at the first level")
      ->capture_default_str()
      ->group(group);
  app.add_option("--channel-mult", m.mult, "Factor of each level")
      ->delimiter(',')
      ->capture_default_str()
      ->group(group);
  app.add_option("--res-blocks", m.res_blocks, "Residual blocks to a level")
      ->capture_default_str()
      ->group(group);
  app.add_option("--attention", m.attention, "Sides of feature maps with attention")
      ->delimiter(',')
      ->capture_default_str()
      ->group(group);
  app.add_option("--head-channels", m.head_channels, "Channels of an attention head")
      ->capture_default_str()
      ->group(group);
  app.add_flag("--learn-sigma", m.learn_sigma, "Learn the variance, too (hybrid loss)")->group(group);
  app.add_option("--noise-schedule", m.schedule, "linear or cosine")
      ->check(CLI::IsMember({"linear", "cosine"}))
      ->capture_default_str()
      ->group(group);
  app.add_option("--diffusion-steps", m.diffusion_steps, "Noise levels")
      ->capture_default_str()
      ->check(whole_number(2, 100000))
      ->group(group);
}

void add_data_options(CLI::App& app, DataOptions& d) {
  const char* const group = "Data";
  app.add_option("--data", d.source, "Folder of photographs, a file of arrays, or blur-kernels or tilt-maps")
      ->group(group);
  app.add_option("--dataset", d.dataset, "The array's name in a file that holds several")->group(group);
  app.add_option("--size", d.size, "Side of a sample, in pixels")
      ->capture_default_str()
      ->check(whole_number(4, 4096))
      ->group(group);
  app.add_option("--channels", d.channels, "1 or 3, or as many as an array has")
      ->capture_default_str()
      ->check(whole_number(1, 1024))
      ->group(group);
  app.add_option("--min-shrink", d.min_shrink, "Windows are reduced by factors from here")
      ->capture_default_str()
      ->group(group);
  app.add_option("--max-shrink", d.max_shrink, "to here")->capture_default_str()->group(group);
  app.add_option("--flip", d.flip, "Mirror every other sample")->capture_default_str()->group(group);
  app.add_option("--jitter", d.jitter, "Change brightness, contrast, saturation by up to this share")
      ->capture_default_str()
      ->group(group);
  app.add_option("--gray", d.gray, "Share of colour samples shown in gray")
      ->capture_default_str()
      ->group(group);
  app.add_option("--slice-axis", d.slice_axis, "Slices of a volume lie across this axis")
      ->capture_default_str()
      ->check(whole_number(0, 2))
      ->group(group);
}

void add_training_options(CLI::App& app, TrainSettings& s) {
  const char* const group = "Training";
  app.add_option("--steps", s.steps, "Steps of the optimiser")
      ->capture_default_str()
      ->check(whole_number(1))
      ->group(group);
  app.add_option("--batch", s.batch, "Samples to one evaluation of the network")
      ->capture_default_str()
      ->check(whole_number(1, 65536))
      ->group(group);
  app.add_option("--accumulate", s.accumulate, "Evaluations to one step")
      ->capture_default_str()
      ->check(whole_number(1, 65536))
      ->group(group);
  app.add_option("--lr", s.rate, "Learning rate at its height")
      ->capture_default_str()
      ->check(positive_number())
      ->group(group);
  app.add_option("--warmup", s.warmup, "Steps over which the rate rises")
      ->capture_default_str()
      ->check(whole_number(0))
      ->group(group);
  app.add_option("--cosine", s.cosine, "Let the rate fall along half a cosine")
      ->capture_default_str()
      ->group(group);
  app.add_option("--final-lr", s.final_rate, "Share of the rate left at the end")
      ->capture_default_str()
      ->check(number(0, 1))
      ->group(group);
  app.add_option("--weight-decay", s.optimiser.weight_decay, "Decoupled weight decay")
      ->capture_default_str()
      ->check(number(0, 1e30))
      ->group(group);
  app.add_option("--beta2", s.optimiser.beta2, "Decay of AdamW's second moment")
      ->capture_default_str()
      ->check(number(0, 1))
      ->group(group);
  app.add_option("--ema", s.optimiser.ema_rate, "Decay of the averaged weights")
      ->capture_default_str()
      ->check(number(0, 1))
      ->group(group);
  app.add_option("--clip", s.optimiser.clip, "Largest norm of the gradients (0: any)")
      ->capture_default_str()
      ->check(number(0, 1e30))
      ->group(group);
  app.add_option("--timesteps", s.timesteps, "uniform, or loss-aware: more of those with large losses")
      ->check(CLI::IsMember({"uniform", "loss-aware"}))
      ->capture_default_str()
      ->group(group);
  app.add_flag("--class-cond", s.class_conditional, "Learn the data's classes")->group(group);
  app.add_option(
         "--label-dropout", s.diffusion.label_dropout,
         "With --class-cond: share of samples whose class is not told, so that --class-guidance of the "
         "other programs can be used (0.1 is usual)")
      ->capture_default_str()
      ->check(number(0, 1))
      ->group(group);
  add_seed_option(app, s.seed, "Seed of everything random");
}

void add_run_options(CLI::App& app, TrainOptions& o) {
  app.add_option("-o,--out", o.output, "Folder of the run (made if missing)")->required();
  app.add_flag("--resume", o.resume, "Go on from the folder's checkpoint, with the settings in it");
  app.add_option("--weights", o.weights, "Begin with the weights of this file");
  app.add_option("--stop-after", o.stop_after, "Stop, with a checkpoint, at this step (0: at the end)")
      ->check(whole_number(0));
  app.add_option("--save-every", o.save_every, "Steps from checkpoint to checkpoint")
      ->capture_default_str()
      ->check(whole_number(1));
  app.add_option("--sample-every", o.sample_every, "Steps from samples to samples (0: none)")
      ->capture_default_str()
      ->check(whole_number(0));
  app.add_option("--samples", o.samples, "Samples to draw")
      ->capture_default_str()
      ->check(whole_number(1, 1024));
  app.add_option("--sample-steps", o.sample_steps, "DDIM steps of a sample")
      ->capture_default_str()
      ->check(whole_number(1));
  app.add_option("--loader-threads", o.loader_threads, "Threads that prepare data")
      ->capture_default_str()
      ->check(whole_number(1, 256));
  add_device_option(app, o.device);
  add_precision_option(app, o.precision);
  add_checkpoint_option(app, o.checkpoint);
  app.add_flag("--quiet", o.quiet, "No progress");
}

// guided-diffusion's network of these options.
void make_model(TrainSettings& s, const ModelWords& m) {
  UNetConfig& u = s.unet;
  if (!m.config.empty()) {
    const ModelSettings read = parse_model_settings(read_config_file(m.config), m.config);
    const double label_dropout = s.diffusion.label_dropout;
    u = read.unet;
    s.diffusion = read.diffusion;
    if (label_dropout > 0) s.diffusion.label_dropout = label_dropout;
    if (!read.stated.contains("image_size")) u.image_size = s.data.size;
    u.out_channels = (s.diffusion.learn_sigma || u.learn_sigma()) ? 2 * s.data.channels : s.data.channels;
  } else {
    u.image_size = s.data.size;
    u.model_channels = m.channels;
    u.num_res_blocks = m.res_blocks;
    u.channel_mult = m.mult;
    u.attention_resolutions = m.attention;
    u.num_head_channels = m.head_channels;
    u.use_scale_shift_norm = true;
    u.resblock_updown = true;
    u.out_channels = m.learn_sigma ? 2 * s.data.channels : s.data.channels;
    s.diffusion.noise_schedule = m.schedule;
    s.diffusion.steps = m.diffusion_steps;
  }
  u.in_channels = s.data.channels;
  s.diffusion.learn_sigma = u.learn_sigma();
  const int stride = 1 << (u.levels() - 1);
  require(s.data.size % stride == 0, "--size ", s.data.size, ": this network needs a multiple of ", stride);
}

// --resume changes how long a run goes on and what is shown, not what it computes.
void resume(CLI::App& app, TrainOptions& o) {
  static constexpr const char* free[] = {
      "--out",          "--resume",  "--steps",        "--stop-after",     "--save-every",
      "--sample-every", "--samples", "--sample-steps", "--loader-threads", "--device",
      "--precision",    "--quiet",   "--data",         "--checkpoint"};
  const std::set<std::string> allowed(std::begin(free), std::end(free));
  for (const CLI::Option* option : app.get_options())
    require(option->count() == 0 || allowed.contains(option->get_name()), option->get_name(),
            ": a resumed run takes this from its checkpoint; leave it out");
  const std::int64_t steps = o.settings.steps;
  const std::string source = o.settings.data.source;
  o.settings = checkpoint_settings((std::filesystem::path(o.output) / "checkpoint.h5").string());
  if (app.count("--steps")) o.settings.steps = steps;
  if (app.count("--data")) o.settings.data.source = source;
}

}  // namespace

TrainOptions read_train_options(CLI::App& app, int argc, char** argv) {
  TrainOptions o;
  ModelWords model;
  app.description("Trains a diffusion model's U-Net: a prior for tweedie-restore and tweedie-sample.");
  app.footer(
      "Written to the folder: weights.h5 (averaged, for --weights of the other programs), checkpoint.h5 (to\n"
      "resume), log.csv, loss.png, samples.png. SIGINT and SIGTERM stop after the step, with a checkpoint.");
  add_run_options(app, o);
  add_data_options(app, o.settings.data);
  add_model_options(app, model);
  add_training_options(app, o.settings);
  app.parse(argc, argv);
  if (o.resume) {
    resume(app, o);
    return o;
  }
  require(!o.settings.data.source.empty(), "--data: what to learn from is missing");
  for (const CLI::Option* option : app.get_options())
    if (option->count() > 0 && option->get_group() == "Data")
      o.settings.data.stated.push_back(option->get_name());
  for (const auto& [option, decay] :
       {std::pair{"--beta2", o.settings.optimiser.beta2}, {"--ema", o.settings.optimiser.ema_rate}})
    require(decay < 1, option, " is 1: the mean would stay what it is at first; expected less");
  require(o.settings.cosine || app.count("--final-lr") == 0, "--final-lr means nothing without --cosine");
  for (const char* const option :
       {"--model-channels", "--channel-mult", "--res-blocks", "--attention", "--head-channels",
        "--learn-sigma", "--noise-schedule", "--diffusion-steps"})
    require(model.config.empty() || app.count(option) == 0, option, " and --config exclude each other");
  make_model(o.settings, model);
  require(
      o.settings.class_conditional || o.settings.unet.num_classes || o.settings.diffusion.label_dropout == 0,
      "--label-dropout means nothing without --class-cond");
  return o;
}

}  // namespace tweedie
