// What tests ask of, and tell, the simulated device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

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
  std::uint64_t library_calls = 0;       ///< of cuBLAS, cuDNN and cuFFT that compute: a launch each, at least
  std::uint64_t copies = 0;              ///< copies and fills
  std::uint64_t waits = 0;               ///< of the host for the device: synchronisations and blocking copies
  std::uint64_t graphs = 0;              ///< launches of graphs; what they hold is counted above as well,
  std::uint64_t replayed = 0;            ///< and here: launches, library calls and copies of graphs
};
Statistics statistics();

/// From now on launches execute some of their grid's blocks (ptx::Options::most_blocks), and library calls
/// check their arguments and compute nothing (0: everything is done again). What is left in memory is
/// undefined: this is for counting what steps do that are too large to be executed.
void set_dry(unsigned blocks);

/// A kernel's launches since `count_kernels` was called, and the bytes of global memory they moved (as
/// ptx::Statistics counts them, for each launch anew).
struct KernelCount {
  std::uint64_t launches = 0, read_bytes = 0, written_bytes = 0;
};

/// Begins to count what each kernel moves, which takes time, or ends it. What was counted before is
/// forgotten.
void count_kernels(bool on);
/// By the kernels' C++ names.
std::map<std::string, KernelCount> kernel_counts();

/// The last thing the device objected to, in one line as printed to stderr; empty when there was none.
std::string last_report();

/// Forgets the last report and the sticky error that a faulty kernel leaves, so that one process can go on
/// after provoking a fault. (A real process has to end; cudaDeviceReset does not help it either.)
void clear_fault();

/// Stops (or resumes) copying reports to stderr, for tests that provoke them.
void set_quiet(bool quiet);

/// How much memory the device claims to have, for tests of running out of it.
void set_device_memory(std::size_t total_bytes);

/// An engine for exact fp32 that cuDNN offers.
struct CudnnOffer {
  double seconds = 1e-5;            ///< beside the 1e-5 that events see every call take; nobody waits
  std::size_t workspace_bytes = 0;  ///< beside what all engines take
  bool fails = false;               ///< every execution of it
};

/// What cuDNN's stand-in offers from now on, best first by its estimate; the first is also its fallback. To
/// begin with it is one that just works. All are one engine, and differ in a knob. Counts executions anew.
void offer_cudnn_engines(const std::vector<CudnnOffer>& offers);
/// How often each of them was executed.
std::vector<std::uint64_t> cudnn_executions();
/// What cudnnGetVersion says; 0: the version of the headers.
void set_cudnn_version(std::size_t version);

}  // namespace tweedie::stand_in
