// What every CUDA body shares: error checks and the launch geometry. Included only where TWEEDIE_CUDA is on.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>

#include "kernels/error.hpp"

namespace tweedie {

/// Throws `Error` naming the call and CUDA's own description unless the status is success.
inline void check_cuda(cudaError_t status, const char* call, std::source_location where) {
  require(Condition(status == cudaSuccess, where), "CUDA: ", call, ": ", cudaGetErrorString(status));
}

}  // namespace tweedie

#define CHECK_CUDA(call) ::tweedie::check_cuda((call), #call, std::source_location::current())

namespace tweedie::cuda {

constexpr int block_threads = 256;

/// Blocks of `block_threads` for a grid-stride loop over `count` items; capped, since the loop strides.
inline unsigned grid_for(std::int64_t count) {
  return unsigned(std::clamp<std::int64_t>((count + block_threads - 1) / block_threads, 1, 65535));
}

/// As `grid_for`, but no more blocks than about one wave on the largest GPUs (8 to each of 128
/// multiprocessors): streaming loops gain nothing from more, and tests of ordinary size then reach the
/// striding.
inline unsigned grid_of_one_wave(std::int64_t count) { return std::min(grid_for(count), 1024u); }

/// Call after each `<<<>>>`: reports a refused launch where it happened.
inline void check_launch(const char* kernel, std::source_location where = std::source_location::current()) {
  check_cuda(cudaGetLastError(), kernel, where);
}

}  // namespace tweedie::cuda
