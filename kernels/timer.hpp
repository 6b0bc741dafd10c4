// Seconds of work on a queue: one clock for the choice of cuDNN's engines and for tweedie-bench.
#pragma once

#include <chrono>

#include "kernels/queue.hpp"

struct CUevent_st;

namespace tweedie {

/// Times what is queued between two of its marks: on CUDA by events, which the device stamps as it passes
/// them, so that neither the host's launches nor its waiting counts while the device is busy; on the CPU by
/// the steady clock. The first mark is set by the constructor.
class Stopwatch {
 public:
  explicit Stopwatch(Queue& q);
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  /// Sets the first mark anew, after all that is queued.
  void start();
  /// Seconds from the first mark to here. Waits until that work is done.
  double seconds();
  /// The same, and here is the first mark of the next.
  double lap();

 private:
  Queue& q_;
  std::chrono::steady_clock::time_point begin_, end_;
  CUevent_st *first_ = nullptr, *last_ = nullptr;
};

}  // namespace tweedie
