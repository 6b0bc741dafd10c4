// What a DPS step costs beside other programs that want the same cores.
#pragma once

#include <sys/types.h>

#include <vector>

#include "tools/bench/model.hpp"

namespace tweedie::bench {

/// Processes of their own that keep cores busy while they are let, and end with this object or its process.
class BusyProcesses {
 public:
  /// They rest at first. Errors: not all can be started; none is left then.
  explicit BusyProcesses(int count);
  ~BusyProcesses();
  BusyProcesses(const BusyProcesses&) = delete;
  BusyProcesses& operator=(const BusyProcesses&) = delete;

  void work();
  void rest();  ///< returns when all of them have stopped

 private:
  void end();

  std::vector<pid_t> children_;
};

/// Times DPS steps of the options' network, or of the analytic prior where they name none (256 x 256 unless
/// they say otherwise), in turns alone and beside as many busy processes as this one has threads; a turn is
/// one step that is not counted and half a second of steps (one at least, 999 at most), and there are
/// `repeats` of each kind. Reports
///   quiet_seconds, busy_seconds   of a step, medians over the turns, with their spread
///   busy_over_quiet               their ratio: 2 is what a fair share of the cores costs
Json bench_busy(Context& context, const ModelOptions& options);

/// The same for people.
std::string describe_busy(const Json& report);

}  // namespace tweedie::bench
