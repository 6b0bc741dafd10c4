// The progress of a sampler, on stderr.
#pragma once

#include <cstdio>
#include <functional>
#include <optional>
#include <string>

namespace tweedie {

enum class ProgressStyle {
  automatic,  // bar on a terminal, lines elsewhere
  bar,        // one line, redrawn in place
  lines,  // plain lines: the first step, then each further tenth (or half a minute), never two within 2 s,
          // and the last step
  quiet
};

/// Shows step i/n, the distance |y - A x0| to the measurement, seconds per step and the time left. The first
/// step, in which libraries plan and memory is taken, is left out of the rate as soon as there is a second.
class Progress {
 public:
  /// `label` begins each line ("restore"). `seconds` is a monotonic clock; the default is the steady clock.
  Progress(std::string label, int steps, ProgressStyle style = ProgressStyle::automatic,
           std::FILE* out = stderr, std::function<double()> seconds = {});
  /// Ends the redrawn line, so that whatever is printed next starts on its own.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// After `done` steps (1 to `steps`). No distance where nothing is measured.
  void update(int done, std::optional<double> distance = std::nullopt);

  /// Mean wall time of a step so far, in seconds (0 before the first).
  double seconds_per_step() const;

 private:
  std::string text(int done, std::optional<double> distance) const;
  bool line_is_due(int done, double now) const;

  std::string label_;
  int steps_;
  ProgressStyle style_;
  std::FILE* out_;
  std::function<double()> seconds_;
  double start_, first_step_ = 0, latest_ = 0;
  int done_ = 0;
  double shown_at_ = 0;
  int shown_done_ = 0;
  bool line_open_ = false;
};

}  // namespace tweedie
