// Bad and odd input, a command line a row: each is refused with exit code 2 and one line on stderr.
#pragma once

#include <span>

namespace tweedie::test {

/// A program and the words that begin its command lines.
struct Form {
  const char *program, *always;
};

/// Words are separated by spaces, and files are those of `make_inputs`. DEVICE stands for the device under
/// test, DATA for tests/data, FILES for the task files of the DPS repository, LONG for a name of 303 letters,
/// EMPTY for none.
struct Case {
  Form form;
  const char* text;   ///< the message holds it
  const char* words;  ///< after those of the form
};

std::span<const Case> refused_cases();
/// Those that are refused only where there is no CUDA device.
std::span<const Case> cases_without_cuda();

}  // namespace tweedie::test
