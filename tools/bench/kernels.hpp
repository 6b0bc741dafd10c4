// Kernel microbenchmarks over the case rows the tests use.
#pragma once

#include <string>

#include "engine/context.hpp"
#include "tools/report.hpp"

namespace tweedie::bench {

struct KernelOptions {
  std::string filter;    ///< only kernels whose name contains this
  double seconds = 0.2;  ///< spent on each row, the flushing of caches included (five calls at least)
};

/// Times every kernel at the presets' sizes with a cold cache: median and spread, GB/s or GFLOP/s, and the
/// share of a peak measured in the same run (a plain copy's GB/s, the fastest matrix product's GFLOP/s).
Json bench_kernels(Context& context, const KernelOptions& options);
std::string describe_kernels(const Json& report);

}  // namespace tweedie::bench
