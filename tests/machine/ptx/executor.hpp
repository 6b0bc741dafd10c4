// Runs blocks: which lanes execute which instruction next, and who waits for whom.
#pragma once

#include <mutex>
#include <random>

#include "tests/machine/ptx/warp.hpp"

namespace tweedie::ptx {

/// Runs blocks of one launch, one after the other, on the calling thread. `atomics` is held during atomic
/// accesses to global memory where other threads run blocks of the launch too; else null.
class Executor {
 public:
  Executor(const Function& function, Dim3 grid, Dim3 block, std::size_t dynamic_shared_bytes,
           const char* parameters, const RangeSet& memory, const Options& options, std::mutex* atomics);

  /// `cluster`: the neighbours that the block's traffic is counted with. Errors: Fault.
  void run_block(Dim3 index, std::uint64_t cluster);

  const Statistics& statistics() const { return statistics_; }
  const Traffic& read() const { return block_.read; }
  const Traffic& written() const { return block_.written; }

 private:
  void prepare_registers();
  void begin_block(Dim3 index);
  void set_special(Warp& w, SpecialRegister which, unsigned lane, std::uint32_t value);

  bool run_warp(Warp& w, std::uint64_t quantum);
  enum class Next { go_on, regroup };
  Next step(Warp& w, Mask& mask, std::uint32_t& pc);
  Next branch(Warp& w, const Instruction& i, Mask taken, Mask& mask, std::uint32_t& pc);
  Next exit(Warp& w, Mask leaving, Mask& mask, std::uint32_t& pc);
  Next barrier(Warp& w, Mask arriving, Mask mask, std::uint32_t pc);
  Next warp_operation(Warp& w, const Instruction& i, Mask arriving, Mask mask, std::uint32_t& pc);
  Mask members(Warp& w, const Instruction& i, unsigned lane) const;
  void complete_waiting(Warp& w);
  void execute_together(Warp& w, const Instruction& i, Mask mask);
  void release_barrier();
  [[noreturn]] void report_stuck();

  const Function& function_;
  const Options options_;
  const Dim3 size_;
  Block block_;
  std::vector<char> register_memory_, local_memory_;
  std::vector<unsigned> order_;
  std::minstd_rand random_;
  std::uint64_t block_instructions_ = 0;
  Statistics statistics_;
};

}  // namespace tweedie::ptx
