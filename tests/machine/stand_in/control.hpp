// What tests ask of, and tell, the simulated device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/machine/ptx/machine.hpp"

namespace tweedie::stand_in {

/// The order of warps in the launches that follow. Until first called, environment variable
/// TWEEDIE_WARP_ORDER (forward | reverse | random) decides, else it is forward.
void set_warp_order(ptx::WarpOrder order, std::uint32_t seed = 1);

/// Whether launches look for races and uninitialised reads of shared memory. On until first called, unless
/// environment variable TWEEDIE_SHARED_CHECKS is 0.
void set_shared_checks(bool on);

/// How many branches, barriers and warp operations a block of the following launches may execute before it is
/// taken for endless.
void set_control_budget(std::uint64_t instructions);

struct Statistics {
  std::uint64_t launches = 0, thread_instructions = 0, warp_instructions = 0;
  std::uint64_t mallocs = 0, frees = 0;  ///< cudaMalloc and kin, cudaFree and kin
  std::size_t used_bytes = 0;            ///< device memory allocated now
};
Statistics statistics();

/// The last thing the device objected to, in one line as printed to stderr; empty when there was none.
std::string last_report();

/// Forgets the last report and the sticky error that a faulty kernel leaves, so that one process can go on
/// after provoking a fault. (A real process has to end; cudaDeviceReset does not help it either.)
void clear_fault();

/// Stops (or resumes) copying reports to stderr, for tests that provoke them.
void set_quiet(bool quiet);

/// How much memory the device claims to have, for tests of running out of it.
void set_device_memory(std::size_t total_bytes);

}  // namespace tweedie::stand_in
