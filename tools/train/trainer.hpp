// A network in training: one step after another, each the same from the same state.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "engine/training/timestep_sampler.hpp"
#include "layers/unet.hpp"
#include "tools/train/batches.hpp"
#include "tools/train/ranks.hpp"
#include "tools/train/settings.hpp"

namespace tweedie {

/// What guided-diffusion starts from: PyTorch's uniform weights, and 0 in the last convolution of every
/// residual block, in attention's projection and in the network's last convolution.
class InitialWeights final : public TensorSource {
 public:
  explicit InitialWeights(std::uint64_t seed);
  bool has(const std::string& key) const override;
  std::vector<float> read(const std::string& key, const Extents& expected) override;
  void require_all_used() const override {}

 private:
  std::uint64_t seed_;
};

/// Means over the samples of one step.
struct StepReport {
  double loss = 0, mse = 0, vb = 0, gradient_norm = 0, rate = 0;
};

/// The network, its optimiser and everything random about them. The optimiser's step k sums the gradients of
/// M = accumulate * ranks batches, shared out in turns: batch m of them, by rank m % ranks, draws its noise
/// and timesteps from stream k M + m + 1 of the context. So what a step does depends on the state, on k and
/// on M, and 2 ranks do what one process does with twice `accumulate`, to rounding.
class Trainer {
 public:
  /// `ranks` outlives the trainer.
  Trainer(Context& context, const TrainSettings& settings, TensorSource& initial, Ranks& ranks);
  /// One process alone.
  Trainer(Context& context, const TrainSettings& settings, TensorSource& initial);

  /// The optimiser's step on `accumulate` batches that `next` gives, and as many of every other rank. Errors:
  /// a loss or gradient that is not finite, with the step and the layer where it began; the state is then as
  /// before.
  StepReport step(const std::function<const Batch&()>& next);
  /// Steps made so far.
  std::int64_t steps() const { return optimiser_.steps(); }

  UNet& network() { return *network_; }
  const Parameters& parameters() const { return *parameters_; }
  /// Values as trained, and the optimiser's arenas.
  Tensor& values() { return parameters_->values(); }
  Optimiser& optimiser() { return optimiser_; }
  TimestepSampler& timesteps() { return *timesteps_; }
  const Schedule& schedule() const { return schedule_; }
  const TrainSettings& settings() const { return settings_; }
  /// Runs `body` while the network holds the averaged weights.
  void with_average(const std::function<void()>& body);

 private:
  /// What a sample's loss was, and at which timestep.
  struct Seen {
    double index, weight, loss, mse, vb;
  };
  int batches() const { return settings_.accumulate * ranks_.size(); }
  void accumulate(const Batch& batch, std::vector<Seen>& seen);
  std::vector<Seen> of_all_ranks(const std::vector<Seen>& own);
  std::vector<DrawnTimestep> draw_timesteps();
  /// The labels, some of them forgotten (`label_dropout`).
  std::vector<int> drop(std::vector<int> labels);
  [[noreturn]] void stop_at_loss(const Tensor& x, double loss);
  [[noreturn]] void stop_at_gradient();

  Context& context_;
  Ranks alone_, &ranks_;
  TrainSettings settings_;
  Schedule schedule_;
  Objective objective_;
  std::unique_ptr<UNet> network_;
  std::unique_ptr<Parameters> parameters_;
  Gradients gradients_;
  Optimiser optimiser_;
  std::unique_ptr<TimestepSampler> timesteps_;
  std::unique_ptr<Saved> saved_;
  std::vector<float> times_;  ///< of the last batch, as the network takes them
};

/// The schedule index's time scale for a network of this diffusion.
inline double time_scale(const DiffusionConfig& diffusion) {
  return diffusion.rescale_timesteps ? 1000.0 / diffusion.steps : 1.0;
}

}  // namespace tweedie
