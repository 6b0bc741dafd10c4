// Which timesteps a training step looks at.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tweedie {

/// A timestep, and the weight of its loss that keeps the average loss that of uniform timesteps.
struct DrawnTimestep {
  int index;
  double weight;
};

/// Draws indices 0 to T - 1 of a schedule.
class TimestepSampler {
 public:
  virtual ~TimestepSampler() = default;
  /// The one that `uniform`, in [0, 1), chooses.
  virtual DrawnTimestep draw(double uniform) const = 0;
  /// What the losses of drawn timesteps were.
  virtual void update(std::span<const int> timesteps, std::span<const double> losses) = 0;
  /// Everything `update` has changed, as numbers; and back. Errors: a state of another size.
  virtual std::vector<double> state() const { return {}; }
  virtual void set_state(std::span<const double> state);
};

/// Every timestep alike.
class UniformTimesteps final : public TimestepSampler {
 public:
  explicit UniformTimesteps(int steps) : steps_(steps) {}
  DrawnTimestep draw(double uniform) const override;
  void update(std::span<const int>, std::span<const double>) override {}

 private:
  int steps_;
};

/// Timesteps by the root mean square of their last losses, mixed with a little of uniform ones; uniform until
/// every timestep has its history. (Nichol & Dhariwal 2021, Section 3.3; guided-diffusion's
/// LossSecondMomentResampler.)
class LossAwareTimesteps final : public TimestepSampler {
 public:
  explicit LossAwareTimesteps(int steps, int history = 10, double uniform_share = 0.001);
  DrawnTimestep draw(double uniform) const override;
  void update(std::span<const int> timesteps, std::span<const double> losses) override;
  std::vector<double> state() const override;
  void set_state(std::span<const double> state) override;

  /// Unnormalised, as guided-diffusion has them: all 1 until warmed up.
  std::vector<double> weights() const;
  bool warmed_up() const;
  /// The last losses of timestep t, oldest first: `counts()[t]` of the `history` slots are filled.
  const std::vector<double>& history() const { return history_; }
  const std::vector<int>& counts() const { return counts_; }

 private:
  int length_;
  double uniform_share_;
  std::vector<double> history_;  ///< (T, length)
  std::vector<int> counts_;
};

/// "uniform" or "loss-aware". Errors: any other name.
std::unique_ptr<TimestepSampler> make_timestep_sampler(const std::string& name, int steps);

}  // namespace tweedie
