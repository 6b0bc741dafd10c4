// A kernel of a step, ready to be called by itself.
#pragma once

#include <functional>

#include "layers/step_ops.hpp"
#include "tools/bench/measure.hpp"

namespace tweedie::bench {

/// The op's call with tensors of random values, which live as long as the function does. Errors: a kernel
/// that is not known here, which is a mistake of ours.
std::function<void()> call_of(Bench& bench, const StepOp& op);

}  // namespace tweedie::bench
