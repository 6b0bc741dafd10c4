// SIGINT and SIGTERM as a wish to stop at the next step.
#pragma once

namespace tweedie {

/// While it lives, the first of the two signals is only noted; a second one ends the process as usual.
class StopOnSignal {
 public:
  StopOnSignal();
  ~StopOnSignal();
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
  bool wanted() const;
};

}  // namespace tweedie
