// From PTX addresses to host addresses, with every check on the way.
#pragma once

#include "tests/machine/ptx/warp.hpp"

namespace tweedie::ptx {

enum class Access : std::uint8_t { read, write, atomic };

/// Where the lanes of a mask find what they access; other lanes hold nothing meaningful.
struct Places {
  alignas(64) std::uint64_t address[warp_size];
  char* operator[](unsigned lane) const { return reinterpret_cast<char*>(address[lane]); }
};

/// Resolves the addresses held by an operand, for an access of `bytes` bytes. Errors: Fault naming the first
/// lane whose access is misaligned, outside what the space holds, a race, or a read of something
/// uninitialised.
void locate(Places& places, Warp& w, const Instruction& i, const Operand& address, Space space,
            unsigned bytes, Mask m, Access access);

}  // namespace tweedie::ptx
