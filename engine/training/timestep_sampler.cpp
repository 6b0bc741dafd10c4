#include "engine/training/timestep_sampler.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/error.hpp"

namespace tweedie {

void TimestepSampler::set_state(std::span<const double> state) {
  require(state.empty(), "timestep sampler: a state of ", state.size(), " numbers, expected none");
}

DrawnTimestep UniformTimesteps::draw(double uniform) const {
  return {std::min(steps_ - 1, int(uniform * steps_)), 1};
}

LossAwareTimesteps::LossAwareTimesteps(int steps, int history, double uniform_share)
    : length_(history),
      uniform_share_(uniform_share),
      history_(std::size_t(steps) * std::size_t(history), 0.0),
      counts_(std::size_t(steps), 0) {
  require(steps > 0 && history > 0 && uniform_share > 0 && uniform_share <= 1,
          "loss-aware timesteps: steps, history and a uniform share in (0, 1] expected");
}

bool LossAwareTimesteps::warmed_up() const {
  return std::all_of(counts_.begin(), counts_.end(), [this](int count) { return count == length_; });
}

std::vector<double> LossAwareTimesteps::weights() const {
  std::vector<double> weights(counts_.size(), 1.0);
  if (!warmed_up()) return weights;
  double sum = 0;
  for (std::size_t t = 0; t < weights.size(); ++t) {
    double squares = 0;
    for (int k = 0; k < length_; ++k) {
      const double loss = history_[t * std::size_t(length_) + std::size_t(k)];
      squares += loss * loss;
    }
    weights[t] = std::sqrt(squares / length_);
    sum += weights[t];
  }
  // All losses exactly 0: nothing to tell timesteps apart by.
  if (!(sum > 0)) return std::vector<double>(counts_.size(), 1.0);
  for (double& weight : weights)
    weight = weight / sum * (1 - uniform_share_) + uniform_share_ / double(weights.size());
  return weights;
}

DrawnTimestep LossAwareTimesteps::draw(double uniform) const {
  const std::vector<double> weights = this->weights();
  double sum = 0, total = 0;
  for (const double weight : weights) sum += weight;
  // numpy's choice: the first index whose cumulative share, divided by the last one, exceeds the number.
  std::vector<double> cumulative;
  for (const double weight : weights) cumulative.push_back(total += weight / sum);
  std::size_t index = 0;
  while (index + 1 < weights.size() && !(cumulative[index] / total > uniform)) ++index;
  return {int(index), 1 / (double(weights.size()) * (weights[index] / sum))};
}

void LossAwareTimesteps::update(std::span<const int> timesteps, std::span<const double> losses) {
  require(timesteps.size() == losses.size(), "loss-aware timesteps: ", timesteps.size(), " timesteps and ",
          losses.size(), " losses");
  for (std::size_t i = 0; i < timesteps.size(); ++i) {
    const std::size_t t = std::size_t(timesteps[i]);
    require(timesteps[i] >= 0 && t < counts_.size(), "loss-aware timesteps: timestep ", timesteps[i]);
    double* const row = history_.data() + t * std::size_t(length_);
    if (counts_[t] < length_) {
      row[counts_[t]++] = losses[i];
      continue;
    }
    std::copy(row + 1, row + length_, row);
    row[length_ - 1] = losses[i];
  }
}

std::vector<double> LossAwareTimesteps::state() const {
  std::vector<double> all(counts_.begin(), counts_.end());
  all.insert(all.end(), history_.begin(), history_.end());
  return all;
}

void LossAwareTimesteps::set_state(std::span<const double> state) {
  require(state.size() == counts_.size() + history_.size(), "loss-aware timesteps: a state of ", state.size(),
          " numbers, expected ", counts_.size() + history_.size());
  for (std::size_t t = 0; t < counts_.size(); ++t) counts_[t] = int(state[t]);
  std::copy(state.begin() + std::ptrdiff_t(counts_.size()), state.end(), history_.begin());
}

std::unique_ptr<TimestepSampler> make_timestep_sampler(const std::string& name, int steps) {
  if (name == "uniform") return std::make_unique<UniformTimesteps>(steps);
  require(name == "loss-aware", "timesteps: unknown sampler ", name, "; expected uniform or loss-aware");
  return std::make_unique<LossAwareTimesteps>(steps);
}

}  // namespace tweedie
