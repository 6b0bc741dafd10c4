// What the stand-ins of the CUDA libraries share. Private to tests/machine/stand_in.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/error.hpp"
#include "tests/machine/stand_in/runtime_state.hpp"

namespace tweedie::stand_in {

/// A stretch of memory that a call reads or writes.
struct Stretch {
  const void* data = nullptr;
  std::size_t bytes = 0;
};

inline bool overlap(const Stretch& a, const Stretch& b) {
  const auto *p = static_cast<const char*>(a.data), *q = static_cast<const char*>(b.data);
  return a.bytes > 0 && b.bytes > 0 && p < q + b.bytes && q < p + a.bytes;
}

/// Whether the stretch lies in one block of device memory; reports where it lies if not.
inline bool on_device(const char* call, const char* role, const Stretch& s) {
  DeviceMemory& memory = DeviceMemory::instance();
  if (memory.allocated(s.data, s.bytes)) return true;
  report(message(call, ": ", role, " of ", s.bytes,
                 " bytes is not inside one device block: ", memory.describe(s.data)));
  return false;
}

/// Counts a library's call whose arguments are right; false where it is to compute nothing.
inline bool to_compute() {
  Runtime::instance().counts.library_calls += 1;
  return !Runtime::instance().dry;
}

/// Makes what the stretch held unusable: NaN in every float. Call inside a DeviceAccess.
inline void poison(const Stretch& s) {
  if (s.bytes > 0) std::memset(const_cast<void*>(s.data), 0xff, s.bytes);
}

}  // namespace tweedie::stand_in
