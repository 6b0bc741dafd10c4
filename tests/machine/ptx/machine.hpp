// A machine that runs PTX, the virtual assembly nvcc emits, on the CPU, and checks what it runs.
//
// Each lane of a warp has its own program counter, so divergence, barriers and warp operations behave as the
// PTX ISA describes them. Whatever the ISA leaves undefined and a GPU would silently
// get wrong is a Fault here: an access outside the given memory, a race on shared memory, a barrier that not
// every thread reaches. The order in which warps run is chosen by the caller; correct kernels give the same
// bits in every order.
//
// Not here: wmma, mma and the other matrix instructions, textures, mbarrier and TMA, barriers of a part of a
// block, indirect calls, recursion, printf. Not checked: races on global memory. And no proof of speed, of
// the order in which a GPU makes writes visible, or of what ptxas makes of the PTX.
//
// Source: NVIDIA, "Parallel Thread Execution ISA", version 9.0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/error.hpp"

namespace tweedie::ptx {

struct Program;

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
};

/// In what order the warps of a block run: each as far as it gets, first to last or last to first; or
/// shuffled, each for a random number of instructions before the next takes over.
enum class WarpOrder { forward, reverse, random };

enum class FaultKind {
  load,                  ///< the PTX text holds something the machine does not know
  launch,                ///< no such kernel, impossible sizes
  illegal_address,       ///< outside the memory a kernel may touch
  misaligned_address,    ///< an address that is no multiple of the access size
  shared_race,           ///< two threads, no barrier between them, at least one writes
  uninitialised_shared,  ///< shared memory read before anyone wrote it
  barrier,               ///< a barrier or warp operation that some threads never reach
  warp_operation,        ///< wrong member mask, a shuffle from an absent lane
  trap,                  ///< trap or a failed assert
  budget,                ///< more instructions than allowed: an endless loop
};

/// What a kernel did wrong: `what()` names kernel, PTX line, source line, block and thread.
class Fault : public Error {
 public:
  Fault(FaultKind kind, const std::string& message) : Error(message), kind_(kind) {}
  FaultKind kind() const { return kind_; }

 private:
  FaultKind kind_;
};

/// The C++ name of a kernel; the name itself when it is not mangled.
std::string readable_name(const std::string& kernel);

struct Options {
  WarpOrder order = WarpOrder::forward;
  std::uint32_t seed = 1;    ///< of WarpOrder::random
  bool check_shared = true;  ///< races and uninitialised reads of shared memory
  /// Branches, barriers and warp operations one block may execute (counted once a warp): an endless loop
  /// ends.
  std::uint64_t control_budget = std::uint64_t(1) << 32;
  bool count_traffic = false;  ///< of global memory
  /// Of a grid at least twice as large only so many blocks run, in evenly spread clusters of four neighbours,
  /// and statistics are extrapolated from them; 0: all. What the kernel was to write is incomplete then.
  std::uint64_t most_blocks = 0;
};

/// What was executed; a thread instruction is one lane of a warp instruction.
struct Statistics {
  std::uint64_t thread_instructions = 0, warp_instructions = 0;
  /// Of global memory: distinct sectors of 32 bytes that the launch reads, and those that it writes. What
  /// caches have to keep for that (what several blocks read, what a block reads again) counts once.
  std::uint64_t read_bytes = 0, written_bytes = 0;
};

/// The bytes [begin, end).
struct Range {
  std::uint64_t begin = 1, end = 0;
  bool holds(std::uint64_t address, std::size_t bytes) const {
    return address >= begin && address + bytes <= end;
  }
};

/// The memory kernels may touch: ranges that do not overlap.
class RangeSet {
 public:
  void add(const void* begin, std::size_t bytes);
  void remove(const void* begin);
  /// The range that holds all `bytes` bytes at `address`; nullptr when none does.
  const Range* find(std::uint64_t address, std::size_t bytes) const;
  /// Where an address lies that `find` did not find, in words: "4 bytes past the end of a block of 400".
  std::string describe(std::uint64_t address) const;

 private:
  std::map<std::uint64_t, Range> ranges_;
};

/// What a launch needs to know of a kernel beforehand.
struct KernelTraits {
  std::vector<std::size_t> parameter_bytes;
  std::size_t static_shared_bytes = 0, local_bytes = 0;
  unsigned max_threads = 1024;  ///< per block, from __launch_bounds__
};

/// One loaded PTX module.
class Module {
 public:
  /// Gives zeroed, 256-byte aligned memory that outlives the module, for a .global or .const variable.
  using Allocate = std::function<void*(std::size_t bytes)>;

  /// Reads PTX text. Errors: Fault of kind `load` naming the line and the unknown instruction or directive.
  Module(std::string_view text, const Allocate& allocate);
  ~Module();
  Module(Module&&) noexcept;
  Module& operator=(Module&&) noexcept;

  /// Runs a kernel over the whole grid: blocks are started in order, in a large grid as many at a time as
  /// OpenMP has threads. `arguments[i]` points at the value of parameter i; `memory` is all that global
  /// accesses may touch. Errors: Fault.
  Statistics launch(const std::string& kernel, Dim3 grid, Dim3 block, std::size_t dynamic_shared_bytes,
                    void* const* arguments, const RangeSet& memory, const Options& options = {}) const;

  bool has_kernel(const std::string& kernel) const;
  /// Errors: Fault of kind `launch` for an unknown name.
  KernelTraits traits(const std::string& kernel) const;

  struct Symbol {
    void* address = nullptr;
    std::size_t bytes = 0;
  };
  /// A module-scope .global or .const variable; null address when there is none of that name.
  Symbol symbol(const std::string& name) const;

 private:
  std::unique_ptr<Program> program_;
};

}  // namespace tweedie::ptx
