// Everything that decides what a training run computes, and its JSON for checkpoints.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/training/objective.hpp"
#include "engine/training/optimiser.hpp"
#include "tools/train/data.hpp"
#include "weights/unet_config.hpp"

namespace tweedie {

/// Two runs with equal settings compute the same numbers (on the same device, with as many threads).
struct TrainSettings {
  UNetConfig unet;
  DiffusionConfig diffusion;
  DataOptions data;
  OptimiserOptions optimiser;
  double rate = 2e-4;
  double final_rate = 0;      ///< share of `rate` left at the end; used when `cosine`
  bool cosine = true;         ///< the rate falls along half a cosine over `steps`
  std::int64_t warmup = 200;  ///< steps over which the rate rises
  std::int64_t steps = 10000;
  int batch = 8;       ///< samples to one evaluation of the network
  int accumulate = 1;  ///< evaluations to one step of the optimiser
  std::string timesteps = "uniform";
  bool class_conditional = false;
  std::uint64_t seed = 0;

  RateCourse course() const { return {rate, warmup, cosine ? steps : 0, final_rate}; }
};

nlohmann::json to_json(const TrainSettings& settings);
/// Errors: a key that is missing or of another kind.
TrainSettings train_settings(const nlohmann::json& json, const std::string& where);

}  // namespace tweedie
