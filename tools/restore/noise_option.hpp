// Which noise a run means, of all that say something about it.
#pragma once

#include <optional>

#include "operators/noise.hpp"
#include "tools/restore/options.hpp"

namespace tweedie {

/// What the command line says of the noise; else, what is stored with the measurement; else, what a task file
/// says; else, Gaussian with sigma 0.05, in units of [-1, 1] images. Errors: something stated that such noise
/// does not have.
Noise noise_of(const Options& options, const std::optional<Noise>& stored);

}  // namespace tweedie
