// Batches made ahead of time, so that a training step does not wait for its data.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "tools/train/data.hpp"

namespace tweedie {

/// Samples of one training step.
struct Batch {
  std::vector<float> x;     ///< (batch, C, H, W)
  std::vector<int> labels;  ///< one a sample; empty without classes
};

/// Draws batches in background threads and hands them out in order. Batch b holds the samples b * batch to
/// b * batch + batch - 1 of the seed, whatever the threads' timing; so a run that is continued at
/// `first_batch` sees what it would have seen.
class BatchLoader {
 public:
  /// `dataset` outlives the loader. Of several processes that share the batches, each takes every
  /// `stride`-th. `ahead`: how many batches are made before they are asked for. Throws `Error` unless all
  /// counts are positive.
  BatchLoader(const Dataset& dataset, int batch, std::uint64_t seed, std::uint64_t first_batch = 0,
              int threads = 1, int ahead = 4, std::uint64_t stride = 1);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// The next batch; it stays as it is until the next call. Throws what a background thread threw.
  const Batch& next();
  /// Seconds that `next` has waited in all: more than a little says that there are too few threads.
  double waited_seconds() const { return waited_; }

 private:
  struct Slot {
    Batch batch;
    bool ready = false;
  };
  void work();

  const Dataset& dataset_;
  const int batch_;
  const std::uint64_t seed_, first_, stride_;
  std::uint64_t handed_out_ = 0;  ///< how many batches `next` has given
  std::uint64_t claimed_ = 0;     ///< how many batches were begun
  std::vector<Slot> slots_;       ///< the b-th batch that is handed out lies in slot b % slots_.size()
  double waited_ = 0;
  bool holding_ = false;  ///< the caller has the batch before handed_out_
  bool stopping_ = false;
  std::exception_ptr failure_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::thread> threads_;
};

}  // namespace tweedie
