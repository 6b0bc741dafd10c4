// Counts the allocations of this program's own code. Linked into one test, whose malloc it replaces.
#pragma once

#include <cstddef>
#include <string>

namespace tweedie::test {

/// Calls of malloc and its kin, and of operator new, by code of the executable itself or by the C++ library
/// on its behalf. What shared libraries (oneDNN, FFTW, OpenMP) allocate for themselves is not counted.
struct Allocations {
  int count = 0;
  std::size_t bytes_of_first = 0;
  std::string first;  ///< the return addresses of the first one, as addr2line takes them
};

/// Counting is on between these two calls, in all threads.
void start_counting();
void stop_counting();
Allocations counted();

}  // namespace tweedie::test
