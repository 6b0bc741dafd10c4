#include "tools/train/trainer.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <cmath>
#include <filesystem>
#include <thread>

#include "engine/training/timestep_sampler.hpp"
#include "tests/support/support.hpp"
#include "tools/train/checkpoint.hpp"
#include "tools/train/log.hpp"
#include "weights/random_source.hpp"
#include "weights/weight_file.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

// A folder that goes when the test does.
struct Folder {
  std::string path =
      (std::filesystem::temp_directory_path() / ("tweedie_training_" + std::to_string(getpid()))).string();
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const char* name) const { return path + "/" + name; }
};

TrainSettings tiny() {
  TrainSettings s;
  s.unet.image_size = s.data.size = 8;
  s.unet.model_channels = 32;
  s.unet.num_res_blocks = 1;
  s.unet.channel_mult = {1, 1};
  s.unet.attention_resolutions = {4};
  s.unet.num_head_channels = 32;
  s.unet.use_scale_shift_norm = s.unet.resblock_updown = true;
  s.unet.out_channels = 6;
  s.diffusion.learn_sigma = true;
  s.batch = 16;
  s.rate = 4e-3;
  s.warmup = 20;
  s.steps = 500;
  s.optimiser.ema_rate = 0.99;
  s.seed = 3;
  return s;
}

// Eight smooth pictures, twice: every batch holds all of them.
const Batch& pictures() {
  static const Batch batch = [] {
    Batch b;
    for (int n = 0; n < 16; ++n) b.labels.push_back(n);
    for (int n = 0; n < 16; ++n)
      for (int c = 0; c < 3; ++c)
        for (int i = 0; i < 64; ++i)
          b.x.push_back(float(std::sin(0.3 * (n % 8 + 1) * (i / 8) + 0.2 * (c + 1) * (i % 8) + n % 8)));
    return b;
  }();
  return batch;
}

std::vector<float> everything(Context& context, Trainer& t) {
  std::vector<float> all;
  for (const Tensor* arena : {&t.values(), &t.optimiser().average(), &t.optimiser().first_moment(),
                              &t.optimiser().second_moment()}) {
    const std::vector<float> values = context.download(*arena);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

StepReport step(Trainer& trainer) {
  return trainer.step([]() -> const Batch& { return pictures(); });
}

}  // namespace

TEST_CASE("training on eight pictures brings the loss down twentyfold in 500 steps") {
  Context context(Device::cpu, 3);
  InitialWeights initial(3);
  Trainer trainer(context, tiny(), initial);
  double first = 0, last = 0;
  for (int k = 0; k < 500; ++k) {
    const double loss = step(trainer).loss;
    // The network starts at epsilon = 0, where the loss is 1 plus little.
    if (k < 5) first += loss / 5;
    if (k >= 450) last += loss / 50;
  }
  MESSAGE("loss ", first, " at first, ", last, " at last");
  CHECK(first > 0.8);
  CHECK(last < first / 20);
}

TEST_CASE("a run that is stopped and goes on computes the same bits") {
  const Folder folder;
  TrainSettings settings = tiny();
  settings.timesteps = "loss-aware";
  settings.accumulate = 2;
  settings.optimiser.clip = 1;
  settings.unet.num_classes = 16;
  settings.class_conditional = true;
  settings.diffusion.label_dropout = 0.25;
  std::vector<float> through;
  std::vector<double> losses;
  {
    Context context(Device::cpu, settings.seed);
    InitialWeights initial(settings.seed);
    Trainer trainer(context, settings, initial);
    for (int k = 0; k < 6; ++k) {
      losses.push_back(step(trainer).loss);
      if (k == 2) write_checkpoint(folder.file("checkpoint.h5"), trainer);
    }
    through = everything(context, trainer);
  }
  const TrainSettings read = checkpoint_settings(folder.file("checkpoint.h5"));
  CHECK(to_json(read) == to_json(settings));
  Context context(Device::cpu, read.seed);
  InitialWeights other(99);  // whatever is there before the checkpoint is read
  Trainer trainer(context, read, other);
  read_checkpoint(trainer, folder.file("checkpoint.h5"));
  CHECK(trainer.steps() == 3);
  for (int k = 3; k < 6; ++k) CHECK(step(trainer).loss == losses[std::size_t(k)]);
  check_equal("parameters, averages, moments", everything(context, trainer), through);
  write_weights(folder.file("weights.h5"), trainer);
  CHECK(WeightFile(folder.file("weights.h5")).header().diffusion.at("label_dropout") == 0.25);
}

TEST_CASE("numbers that are not finite stop the run, with the step and the layer named") {
  Context context(Device::cpu, 3);
  InitialWeights initial(3);
  Trainer trainer(context, tiny(), initial);
  step(trainer);
  const Parameters& parameters = trainer.parameters();
  const auto find = [&](const std::string& name) {
    std::size_t i = 0;
    while (parameters.name(i) != name) ++i;
    return i;
  };
  const std::string name = "middle_block.0.in_layers.2.weight";
  const std::vector<float> before = parameters.read(trainer.values(), find(name));
  std::vector<float> values = before;
  values[5] = NAN;
  parameters.write(trainer.values(), find(name), values);
  CHECK_THROWS_WITH_AS(step(trainer),
                       doctest::Contains("step 2: the loss is nan; the parameter "
                                         "middle_block.0.in_layers.2.weight is not finite"),
                       Error);
  // Finite, but its products are not: it is the layer's output that shows it.
  std::fill(values.begin(), values.end(), 3e38f);
  parameters.write(trainer.values(), find(name), values);
  CHECK_THROWS_WITH_AS(step(trainer), doctest::Contains("that is not finite is that of middle_block.0"),
                       Error);
  parameters.write(trainer.values(), find(name), before);
  CHECK(trainer.steps() == 1);
}

namespace {

// Ranks that are threads of this process.
class Meeting {
 public:
  explicit Meeting(int size) : barrier_(size), given_(std::size_t(size)) {}
  std::vector<double> gather(int rank, std::span<const double> values) {
    given_[std::size_t(rank)].assign(values.begin(), values.end());
    barrier_.arrive_and_wait();
    std::vector<double> all;
    for (const std::vector<double>& each : given_) all.insert(all.end(), each.begin(), each.end());
    barrier_.arrive_and_wait();
    return all;
  }

 private:
  std::barrier<> barrier_;
  std::vector<std::vector<double>> given_;
};

class ThreadRanks final : public Ranks {
 public:
  ThreadRanks(Meeting& meeting, int rank, int size) : meeting_(meeting), rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void add_up(std::span<float> values) override {
    const std::vector<double> all = gather(std::vector<double>(values.begin(), values.end()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      float sum = 0;
      for (std::size_t rank = 0; rank < std::size_t(size_); ++rank)
        sum += float(all[rank * values.size() + i]);
      values[i] = sum;
    }
  }
  std::vector<double> gather(std::span<const double> values) override {
    return meeting_.gather(rank_, values);
  }

 private:
  Meeting& meeting_;
  int rank_, size_;
};

// Batch m of a run: other noise for every m, the same pictures.
std::vector<float> after_steps(TrainSettings settings, Ranks& ranks, std::vector<double>& losses) {
  Context context(Device::cpu, settings.seed);
  InitialWeights initial(settings.seed);
  Trainer trainer(context, settings, initial, ranks);
  for (int k = 0; k < 4; ++k) losses.push_back(step(trainer).loss);
  return everything(context, trainer);
}

}  // namespace

TEST_CASE("two ranks do what one process does with twice the batches") {
  TrainSettings settings = tiny();
  settings.timesteps = "loss-aware";
  settings.accumulate = 2;
  Meeting meeting(2);
  std::vector<float> shared[2];
  std::vector<double> losses[2], alone_losses;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 2; ++rank)
    threads.emplace_back([&, rank] {
      ThreadRanks ranks(meeting, rank, 2);
      shared[rank] = after_steps(settings, ranks, losses[rank]);
    });
  for (std::thread& thread : threads) thread.join();
  check_equal("both ranks", shared[0], shared[1]);
  settings.accumulate = 4;
  Ranks one;
  const std::vector<float> alone = after_steps(settings, one, alone_losses);
  // Sums in another order: a rounding error of the gradients, which Adam's division by their size turns into
  // as much of a step wherever a gradient is itself little more than rounding.
  check_close("the same as alone", shared[0], std::vector<double>(alone.begin(), alone.end()), 1e-4);
  for (std::size_t k = 0; k < alone_losses.size(); ++k)
    CHECK(losses[0][k] == doctest::Approx(alone_losses[k]).epsilon(1e-5));
  CHECK(losses[0] == losses[1]);
}

TEST_CASE("the averaged weights are written as a weight file of the same network") {
  const Folder folder;
  Context context(Device::cpu, 3);
  InitialWeights initial(3);
  Trainer trainer(context, tiny(), initial);
  for (int k = 0; k < 3; ++k) step(trainer);
  write_weights(folder.file("weights.h5"), trainer);
  WeightFile file(folder.file("weights.h5"));
  CHECK(parse_unet_config(file.header().config, "weights.h5") == trainer.settings().unet);
  UNet read(context, WeightScope(file), trainer.settings().unet);
  file.require_all_used();
  const Tensor x = context.upload({1, 3, 8, 8}, random_values(192, 7));
  const std::vector<float> t{500}, ours = context.download(read.forward(x, t));
  std::vector<float> average;
  trainer.with_average([&] { average = context.download(trainer.network().forward(x, t)); });
  check_equal("output", ours, average);
}

TEST_CASE("the rate rises linearly and falls along half a cosine") {
  const RateCourse course{1.0, 10, 110, 0.1};
  CHECK(course.at(0) == doctest::Approx(0.1));
  CHECK(course.at(9) == doctest::Approx(1));
  CHECK(course.at(10) == doctest::Approx(1));
  CHECK(course.at(60) == doctest::Approx(0.55));
  CHECK(course.at(110) == doctest::Approx(0.1));
  CHECK(RateCourse{1.0, 10, 0, 0.1}.at(1000) == 1);
}

TEST_CASE("loss-aware timesteps are weighted so that the mean loss stays that of uniform ones") {
  LossAwareTimesteps sampler(4, 2);
  CHECK(sampler.draw(0.3).index == 1);
  CHECK(sampler.draw(0.3).weight == doctest::Approx(1));
  for (int round = 0; round < 2; ++round)
    for (int t = 0; t < 4; ++t) {
      const double loss = t + 1;
      sampler.update(std::span(&t, 1), std::span(&loss, 1));
    }
  REQUIRE(sampler.warmed_up());
  // sum over t of p(t) weight(t) loss(t) = the mean of the losses; p from the lengths of the intervals.
  double mean = 0;
  constexpr int draws = 100000;
  for (int k = 0; k < draws; ++k) {
    const DrawnTimestep t = sampler.draw((k + 0.5) / draws);
    mean += t.weight * (t.index + 1) / draws;
  }
  CHECK(mean == doctest::Approx(2.5).epsilon(1e-4));
  LossAwareTimesteps copy(4, 2);
  copy.set_state(sampler.state());
  CHECK(copy.weights() == sampler.weights());
  CHECK_THROWS_AS(LossAwareTimesteps(5, 2).set_state(sampler.state()), Error);
}

TEST_CASE("label dropout: a share of the samples leaves the embeddings of their classes alone") {
  TrainSettings s = tiny();
  s.unet.num_classes = 16;
  s.class_conditional = true;
  // Classes whose embeddings a step has a gradient of. (What starts at 0 lets none through in the first
  // steps.)
  const auto moved = [&](double dropout) {
    s.diffusion.label_dropout = dropout;
    Context context(Device::cpu, 1);
    RandomSource initial(1);
    Trainer trainer(context, s, initial);
    step(trainer);  // of sixteen samples, each of a class of its own
    const Parameters& parameters = trainer.parameters();
    std::size_t at = 0;
    while (parameters.name(at) != "label_emb.weight") ++at;
    const std::vector<float> moment = parameters.read(trainer.optimiser().first_moment(), at);
    std::vector<bool> classes;
    const std::size_t width = moment.size() / 16;
    for (std::size_t k = 0; k < moment.size(); k += width)
      classes.push_back(std::any_of(moment.begin() + std::ptrdiff_t(k),
                                    moment.begin() + std::ptrdiff_t(k + width),
                                    [](float m) { return m != 0; }));
    return classes;
  };
  const auto count = [](const std::vector<bool>& classes) {
    return std::count(classes.begin(), classes.end(), true);
  };
  CHECK(count(moved(0)) == 16);
  CHECK(count(moved(1)) == 0);
  const std::vector<bool> half = moved(0.5);
  CHECK(count(half) >= 2);  // 8 +- 2
  CHECK(count(half) <= 14);
  CHECK(moved(0.5) == half);
}
