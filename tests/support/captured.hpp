// What a program prints, taken from the process's own stdout and stderr.
#pragma once

#include <functional>
#include <string>

namespace tweedie::test {

struct Printed {
  int code = 0;  ///< what the call returned
  std::string out, error;
};

/// Calls `program` while stdout and stderr go to files without names; both are as before afterwards, also
/// when it throws. Errors: such a file cannot be had (std::runtime_error).
Printed captured(const std::function<int()>& program);

}  // namespace tweedie::test
