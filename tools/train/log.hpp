// The record of a run: log.csv, the loss curve, and the line that shows how it goes.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "tools/train/trainer.hpp"

namespace tweedie {

/// Rows of log.csv: one a step, in order. Every row is on disk when `add` returns.
class TrainLog {
 public:
  /// Continues the file in folder `out` after step `steps` (0: begins anew); later rows are dropped.
  /// Errors: a log that cannot be read or written, or that lacks rows up to that step.
  TrainLog(const std::string& out, std::int64_t steps);
  ~TrainLog();
  TrainLog(const TrainLog&) = delete;
  TrainLog& operator=(const TrainLog&) = delete;

  void add(std::int64_t step, const StepReport& report, double images_per_second);
  /// Draws loss.png: the loss over the steps, and smoothed.
  void draw() const;

 private:
  std::string out_, path_;
  std::vector<double> steps_, losses_;
  std::FILE* file_ = nullptr;
};

/// "step 120/1000  loss 0.0312  14.2 images/s  6 min left".
std::string progress_line(std::int64_t step, std::int64_t steps, double loss, double images_per_second,
                          double seconds_left);

}  // namespace tweedie
