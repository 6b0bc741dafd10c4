// Names for stretches of work, as profilers show them.
#pragma once

#ifndef TWEEDIE_CUDA
#define TWEEDIE_CUDA 0
#endif

namespace tweedie {

/// What the host queues until the end of a scope, under a name in NVIDIA's profilers (NVTX); ranges nest. A
/// test of a pointer where none looks on, and nothing in builds without CUDA.
class Range {
 public:
#if TWEEDIE_CUDA
  explicit Range(const char* name);
  ~Range();
#else
  explicit Range(const char*) {}
  ~Range() {}
#endif
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;
};

}  // namespace tweedie
