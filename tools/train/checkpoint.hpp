// What a run needs to go on bit for bit, and the weight file that other programs read.
#pragma once

#include <string>

#include "tools/train/trainer.hpp"

namespace tweedie {

/// Writes the state of a run: settings, parameters, averages, moments, the timestep sampler, the step. Whole
/// or not at all.
void write_checkpoint(const std::string& path, Trainer& trainer);

/// The settings in a checkpoint. Errors: no such file, or another kind of file.
TrainSettings checkpoint_settings(const std::string& path);

/// Restores what `write_checkpoint` wrote. Errors: a tensor that is missing or of another shape.
void read_checkpoint(Trainer& trainer, const std::string& path);

/// Writes the averaged weights (or, unless `average`, the present ones) as a weight file. Whole or not at
/// all.
void write_weights(const std::string& path, Trainer& trainer, bool average = true);

}  // namespace tweedie
