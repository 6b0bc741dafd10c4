// One training step of a whole network, against a DPS step of the same batch.
#pragma once

#include "tools/bench/model.hpp"

namespace tweedie::bench {

/// Builds the U-Net with random weights and times DPS steps and training steps (noise, forward, loss,
/// gradients of all parameters, AdamW with its average), one of each uncounted first. Reports medians and
///   training_over_dps   their ratio
Json bench_training(Context& context, const ModelOptions& options);

/// The same for people.
std::string describe_training(const Json& report);

}  // namespace tweedie::bench
