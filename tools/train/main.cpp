// tweedie-train: a prior from examples.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <optional>

#include "tools/device_option.hpp"
#include "tools/files.hpp"
#include "tools/network.hpp"
#include "tools/run_main.hpp"
#include "tools/say.hpp"
#include "tools/threads.hpp"
#include "tools/train/checkpoint.hpp"
#include "tools/train/log.hpp"
#include "tools/train/options.hpp"
#include "tools/train/samples.hpp"
#include "tools/train/stop.hpp"
#include "weights/weight_file.hpp"

namespace tweedie {
namespace {

std::string in_folder(const std::string& folder, const char* name) {
  return (std::filesystem::path(folder) / name).string();
}

// The data decides how many classes there are; a gray or RGB network takes it as it comes.
std::unique_ptr<Dataset> open_data(TrainSettings& s, bool resumed) {
  std::vector<std::string> notes;
  std::unique_ptr<Dataset> data = open_dataset(s.data, &notes);
  for (const std::string& text : notes) say(text + "\n");
  require(
      data->channels() == s.unet.in_channels && data->height() == s.data.size && data->width() == s.data.size,
      s.data.source, ": samples of ", data->channels(), " x ", data->height(), " x ", data->width(),
      ", the network is made for ", s.unet.in_channels, " x ", s.data.size, " x ", s.data.size);
  require(!s.class_conditional || data->classes() > 0, "--class-cond: ", s.data.source, " has no classes");
  if (s.class_conditional && !resumed) s.unet.num_classes = data->classes();
  require(!s.unet.num_classes || data->classes() == *s.unet.num_classes, s.data.source, ": ", data->classes(),
          " classes, the network knows ", s.unet.num_classes.value_or(0));
  return data;
}

std::unique_ptr<Trainer> make_trainer(Context& context, TrainOptions& o, Ranks& ranks) {
  if (o.weights.empty()) {
    InitialWeights initial(o.settings.seed);
    return std::make_unique<Trainer>(context, o.settings, initial, ranks);
  }
  WeightFile file(o.weights);
  const UNetConfig config = parse_unet_config(file.header().config, o.weights + ": config");
  require(config == o.settings.unet, o.weights, ": another network than the one to train; give its --config");
  auto trainer = std::make_unique<Trainer>(context, o.settings, file, ranks);
  file.require_all_used();
  return trainer;
}

// Speed and what is left, of this process's steps; the first, in which plans are made, does not count.
class Clock {
 public:
  explicit Clock(std::int64_t first) : first_(first) {}
  void tick(std::int64_t step) {
    now_ = std::chrono::steady_clock::now();
    if (step == first_ + 1) start_ = now_;
    done_ = step - first_ - 1;
  }
  double seconds_per_step() const {
    return done_ > 0 ? std::chrono::duration<double>(now_ - start_).count() / double(done_) : 0;
  }
  double since_shown() const { return std::chrono::duration<double>(now_ - shown_).count(); }
  void shown() { shown_ = now_; }

 private:
  std::int64_t first_, done_ = 0;
  std::chrono::steady_clock::time_point start_, now_, shown_;
};

// What a run shows and writes is rank 0's alone: all ranks have the same numbers.
struct Run {
  TrainOptions& o;
  Context& context;
  Trainer& trainer;
  Ranks& ranks;
  std::optional<TrainLog>& log;

  bool writes() const { return ranks.rank() == 0; }
  void save() const {
    if (!writes()) return;
    write_checkpoint(in_folder(o.output, "checkpoint.h5"), trainer);
    write_weights(in_folder(o.output, "weights.h5"), trainer);
    log->draw();
  }
  void draw_samples() const {
    if (!writes()) return;
    write_samples(in_folder(o.output, "samples.png"), context, trainer, o.samples, o.sample_steps);
  }
};

// A signal may reach the ranks at different steps; they must stop at the same one.
bool stop_wanted(const Run& run, const StopOnSignal& stop) {
  float wanted = stop.wanted() ? 1 : 0;
  run.ranks.add_up(std::span(&wanted, 1));
  return wanted > 0;
}

void train(const Run& run, BatchLoader& loader, const StopOnSignal& stop) {
  const TrainOptions& o = run.o;
  const std::int64_t last = o.stop_after > 0 ? std::min(o.stop_after, o.settings.steps) : o.settings.steps;
  Clock clock(run.trainer.steps());
  double loss = 0;
  while (run.trainer.steps() < last && !stop_wanted(run, stop)) {
    const StepReport report = run.trainer.step([&]() -> const Batch& { return loader.next(); });
    const std::int64_t step = run.trainer.steps();
    clock.tick(step);
    const double seconds = clock.seconds_per_step();
    const int samples = o.settings.batch * o.settings.accumulate * run.ranks.size();
    const double speed = seconds > 0 ? samples / seconds : 0;
    if (run.writes()) run.log->add(step, report, speed);
    loss = loss == 0 ? report.loss : 0.98 * loss + 0.02 * report.loss;
    if (run.writes() && !o.quiet && (clock.since_shown() > 10 || step == last)) {
      say(progress_line(step, o.settings.steps, loss, speed, seconds * double(last - step)) + "\n");
      clock.shown();
    }
    if (o.sample_every > 0 && step % o.sample_every == 0) run.draw_samples();
    if (step % o.save_every == 0 && step < last) run.save();
  }
}

int run(TrainOptions o) {
  const std::unique_ptr<Ranks> ranks = join_ranks();
  const std::string checkpoint = in_folder(o.output, "checkpoint.h5");
  require(o.resume || !std::filesystem::exists(checkpoint), checkpoint,
          ": there is a run already; go on with --resume, or choose another folder");
  if (std::filesystem::is_directory(o.settings.data.source))
    require_outside(o.output, o.settings.data.source);
  const std::unique_ptr<Dataset> data = open_data(o.settings, o.resume);
  validate(o.settings.unet, "the network");
  require_usable(o.settings.diffusion, "the diffusion");
  Context context(choose_device(o.device), o.settings.seed);
  context.queue.set_precision(choose_precision(o.precision));
  context.checkpoint = o.checkpoint;
  const std::unique_ptr<Trainer> trainer = make_trainer(context, o, *ranks);
  if (o.resume) read_checkpoint(*trainer, checkpoint);
  std::optional<OutputDirectory> output;
  std::optional<TrainLog> log;
  const bool writes = ranks->rank() == 0;
  if (writes) {
    const std::vector<std::string> names{"weights.h5", "checkpoint.h5", "log.csv", "loss.png", "samples.png"};
    output.emplace(o.output, names);
    log.emplace(o.output, trainer->steps());
  }
  if (writes && !o.quiet)
    say(fmt::format("{}\n{} parameters, {} x {}\n", data->describe(), trainer->parameters().learned(),
                    ranks->size(), device_description(context.device())));
  const StopOnSignal stop;
  BatchLoader loader(*data, o.settings.batch, o.settings.seed,
                     std::uint64_t(trainer->steps() * o.settings.accumulate * ranks->size() + ranks->rank()),
                     o.loader_threads, 4, std::uint64_t(ranks->size()));
  const Run run{o, context, *trainer, *ranks, log};
  train(run, loader, stop);
  run.save();
  if (o.sample_every > 0 && !stop.wanted()) run.draw_samples();
  const bool ended = trainer->steps() >= o.settings.steps;
  if (!writes) return 0;
  say(stdout, fmt::format("{} at step {}: wrote {}\n", ended ? "finished" : "stopped", trainer->steps(),
                          in_folder(o.output, "weights.h5")));
  return 0;
}

}  // namespace
}  // namespace tweedie

int main(int argc, char** argv) {
  tweedie::wait_politely(argv);
  using namespace tweedie;
  return run_main("tweedie-train", argc, argv, [](CLI::App& app, int count, char** words) {
    return run(read_train_options(app, count, words));
  });
}
