// Steps of several networks and precisions side by side.
#pragma once

#include <string>
#include <vector>

namespace tweedie::bench {

/// A line for each report of a step that `tweedie-bench --model --json` printed, in the order of the files:
/// model, precision, batch, image, milliseconds of a step, step / convolutions, GiB above the weights,
/// device. Errors: no such file, no report of a step.
std::string table_of_steps(const std::vector<std::string>& paths);

}  // namespace tweedie::bench
