// The command line of tweedie-train.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "tools/train/settings.hpp"

namespace tweedie {

struct TrainOptions {
  TrainSettings settings;
  std::string output, device = "auto", precision = "fp32", weights;
  bool checkpoint = false;
  bool resume = false, quiet = false;
  std::int64_t save_every = 1000, sample_every = 1000, stop_after = 0;
  int samples = 16, sample_steps = 50, loader_threads = 1;
};

/// Reads the command line; with --resume, the settings come from the folder's checkpoint. Errors: options
/// that do not go together, or that a resumed run cannot change.
TrainOptions read_train_options(CLI::App& app, int argc, char** argv);

}  // namespace tweedie
