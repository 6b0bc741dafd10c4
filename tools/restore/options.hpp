// What tweedie-restore is asked to do.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "operators/noise.hpp"
#include "tools/image.hpp"
#include "tools/prior.hpp"
#include "tools/restore/asked.hpp"

namespace tweedie {

struct Options {
  std::string task, task_config, model_config, diffusion_config;
  std::string input, measurement, output, device = "auto", precision = "fp32";
  bool checkpoint = false;
  PriorChoice prior;
  std::map<std::string, std::string> unknown_weights,
      unknown_configs;                ///< of priors of what is unknown besides the image, by its name
  std::optional<Asked> asked;         ///< always there once the options are read
  int slice = 0;                      ///< of a file of another program
  std::optional<Levels> levels;       ///< of pictures, where they are not those of their type
  std::optional<Noise> file_noise;    ///< of a task file
  std::optional<NoiseKind> noise;     ///< this and the next two: of the command line
  std::optional<double> sigma, rate;  ///< sigma for images as `unit` says
  std::string unit = "pm1";
  std::string method = "dps";
  bool method_stated = false;        ///< or something that only one method understands
  std::optional<Settings> settings;  ///< of the method; always there once the options are read
  std::optional<int> label;          ///< of a class-conditional network
  double class_guidance = 1;         ///< see `ClassGuidance`
  int steps = 0, samples = 1, restarts = 0, batch = 1;
  std::string respacing;  ///< of a diffusion_config; `steps` wins
  bool compat = false, quiet = false, resume = false, save_arrays = false;
  std::uint64_t seed = 0;
  std::vector<std::string> command;
  std::vector<std::string> notes;  ///< what of the files is not used
};

/// Reads the command line, and the task and diffusion files it names: what the command line says wins.
/// Errors: whatever is unknown or does not fit, named.
Options read_options(CLI::App& app, int argc, const char* const* argv);

}  // namespace tweedie
