// A look at what a network in training has learned.
#pragma once

#include <string>

#include "tools/train/trainer.hpp"

namespace tweedie {

/// Draws `count` samples from the averaged weights by DDIM in `steps` steps, always from the same noise, and
/// writes them as one PNG.
void write_samples(const std::string& path, Context& context, Trainer& trainer, int count, int steps);

}  // namespace tweedie
