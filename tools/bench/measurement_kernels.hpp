// Kernels that operators and guidance consist of, and U-Nets do not.
#pragma once

#include "tools/bench/measure.hpp"

namespace tweedie::bench {

/// Adds their rows.
void bench_measurement_kernels(Bench& bench);
/// Those of blind problems.
void bench_blind_kernels(Bench& bench);

}  // namespace tweedie::bench
