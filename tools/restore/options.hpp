// What tweedie-restore is asked to do.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "operators/noise.hpp"
#include "tools/restore/task.hpp"
#include "tools/sampler_option.hpp"

namespace tweedie {

struct Options {
  std::string task, task_config, model_config, diffusion_config;
  std::string input, measurement, weights, output, device = "auto";
  TaskOptions operation;
  std::string noise = "gaussian", unit = "pm1";
  double sigma = 0.05, rate = 1;
  bool noise_stated = false;  ///< by the command line or a task file
  std::string method = "dps";
  SamplerChoice sampler;
  std::optional<double> zeta;
  std::optional<double> lambda, rho;  ///< admm-tv
  std::optional<int> iterations;      ///< admm-tv, er, hio, oss
  int steps = 0, samples = 1, restarts = 0;
  std::string respacing;             ///< of a diffusion_config; `steps` wins
  std::optional<Variance> variance;  ///< of a diffusion_config; else what the prior has
  bool compat = false, quiet = false;
  std::uint64_t seed = 0;
  std::vector<std::string> command;
};

/// Reads the command line, and before it the task and diffusion files it names: what the command line says
/// wins. Errors: whatever is unknown or does not fit, named.
Options read_options(CLI::App& app, int argc, char** argv);

/// The noise asked for, sigma in units of [-1, 1] images.
Noise noise_of(const Options& options);

}  // namespace tweedie
