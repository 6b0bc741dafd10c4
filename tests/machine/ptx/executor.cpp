#include "tests/machine/ptx/executor.hpp"

#include <algorithm>
#include <numeric>

namespace tweedie::ptx {
namespace {

constexpr int poison = 0xff;  // of shared memory: NaN
// How long a warp runs at a time when its order is not random, so that one that spins on what another warp
// will write does not spin for ever.
constexpr std::uint64_t long_quantum = 1 << 20;
// How many instructions the lanes at the lowest address may run while others of the warp stand still.
constexpr std::uint64_t patience = 1 << 14;

unsigned count(Dim3 d) { return d.x * d.y * d.z; }
void set_pc(Warp& w, Mask mask, std::uint32_t pc) {
  for_lanes(mask, [&](unsigned l) { w.pc[l] = pc; });
}

constexpr std::uint32_t nowhere = ~std::uint32_t(0);

/// Among the instructions at which some lanes stand: the lowest, the next (or nowhere), the highest.
struct Standing {
  std::uint32_t lowest = nowhere, second = nowhere, highest = 0;
};

Standing standing_of(const Warp& w, Mask lanes) {
  Standing s;
  std::uint32_t pc[warp_size];
  for (unsigned l = 0; l < warp_size; ++l) pc[l] = (lanes >> l) & 1 ? w.pc[l] : nowhere;
  for (unsigned l = 0; l < warp_size; ++l) s.lowest = std::min(s.lowest, pc[l]);
  for (unsigned l = 0; l < warp_size; ++l) s.second = std::min(s.second, pc[l] == s.lowest ? nowhere : pc[l]);
  for (unsigned l = 0; l < warp_size; ++l) s.highest = std::max(s.highest, pc[l] == nowhere ? 0 : pc[l]);
  return s;
}

}  // namespace

Executor::Executor(const Function& function, Dim3 grid, Dim3 block, std::size_t dynamic_shared_bytes,
                   const char* parameters, const RangeSet& memory, const Options& options,
                   std::mutex* atomics)
    : function_(function), options_(options), size_(block) {
  block_.atomics = atomics;
  block_.function = &function;
  block_.memory = &memory;
  block_.parameters = parameters;
  block_.size = block;
  block_.grid = grid;
  block_.check_shared = options.check_shared;
  block_.count_traffic = options.count_traffic;
  block_.warps.resize((count(block) + warp_size - 1) / warp_size);
  block_.shared.resize(function.shared_bytes + dynamic_shared_bytes);
  block_.shadow.resize(block_.shared.size(), function.shared_granule);
  block_.last_range.resize(function.code.size());
  order_.resize(block_.warps.size());
  prepare_registers();
  for (Warp& w : block_.warps)
    for (unsigned lane = 0; lane < warp_size; ++lane)
      set_special(w, dynamic_smem_size, lane, std::uint32_t(dynamic_shared_bytes));
}

void Executor::set_special(Warp& w, SpecialRegister which, unsigned lane, std::uint32_t value) {
  std::memcpy(w.registers + (which * warp_size + lane) * 4, &value, 4);
}

void Executor::prepare_registers() {
  constexpr std::size_t line = 64;
  const std::size_t bytes =
      (function_.register_bytes + line - 1) / line * line + line;  // + line: fewer aliases
  register_memory_.resize(bytes * block_.warps.size() + line);
  local_memory_.resize(function_.local_bytes * warp_size * block_.warps.size());
  char* start = register_memory_.data();
  start += (line - reinterpret_cast<std::uintptr_t>(start) % line) % line;
  for (unsigned k = 0; k < block_.warps.size(); ++k) {
    Warp& w = block_.warps[k];
    w.registers = start + bytes * k;
    w.constants = function_.constants.data();
    w.local = local_memory_.data() + function_.local_bytes * warp_size * k;
    w.block = &block_;
    w.id = k;
    for (unsigned lane = 0; lane < warp_size; ++lane) {
      const unsigned t = k * warp_size + lane;
      set_special(w, tid_x, lane, t % size_.x);
      set_special(w, tid_y, lane, t / size_.x % size_.y);
      set_special(w, tid_z, lane, t / size_.x / size_.y);
      set_special(w, ntid_x, lane, size_.x);
      set_special(w, ntid_y, lane, size_.y);
      set_special(w, ntid_z, lane, size_.z);
      set_special(w, nctaid_x, lane, block_.grid.x);
      set_special(w, nctaid_y, lane, block_.grid.y);
      set_special(w, nctaid_z, lane, block_.grid.z);
      set_special(w, laneid, lane, lane);
      set_special(w, warpid, lane, k);
      set_special(w, nwarpid, lane, unsigned(block_.warps.size()));
      const Mask self = Mask(1) << lane, below = self - 1;
      set_special(w, lanemask_eq, lane, self);
      set_special(w, lanemask_lt, lane, below);
      set_special(w, lanemask_le, lane, below | self);
      set_special(w, lanemask_gt, lane, ~(below | self));
      set_special(w, lanemask_ge, lane, ~below);
    }
  }
}

void Executor::begin_block(Dim3 index) {
  block_.index = index;
  block_.shadow.begin_block();
  std::fill(block_.shared.begin(), block_.shared.end(), char(poison));
  block_instructions_ = 0;
  // Of the block, not of the worker that happens to run it: a seed gives the same schedule each time.
  const auto linear = index.x + block_.grid.x * (index.y + block_.grid.y * index.z);
  random_.seed(options_.seed * 2654435761u + linear);
  std::iota(order_.begin(), order_.end(), 0u);
  if (options_.order == WarpOrder::reverse) std::reverse(order_.begin(), order_.end());
  const unsigned threads = count(size_);
  for (Warp& w : block_.warps) {
    const unsigned lanes = std::min(warp_size, threads - w.id * warp_size);
    w.live = lanes == warp_size ? all_lanes : (Mask(1) << lanes) - 1;
    w.at_barrier = w.waiting = w.carry = 0;
    w.epoch += 1;
    for (unsigned lane = 0; lane < warp_size; ++lane) {
      w.pc[lane] = 0;
      set_special(w, ctaid_x, lane, index.x);
      set_special(w, ctaid_y, lane, index.y);
      set_special(w, ctaid_z, lane, index.z);
    }
  }
}

void Executor::run_block(Dim3 index, std::uint64_t cluster) {
  begin_block(index);
  const bool random = options_.order == WarpOrder::random;
  for (;;) {
    if (random) std::shuffle(order_.begin(), order_.end(), random_);
    bool progress = false, alive = false, all_at_barrier = true;
    for (const unsigned k : order_)
      progress |= run_warp(block_.warps[k], random ? 1 + random_() % 40 : long_quantum);
    for (const Warp& w : block_.warps) {
      alive |= w.live != 0;
      all_at_barrier &= (w.live & ~w.at_barrier) == 0;
    }
    if (!alive) break;
    if (all_at_barrier)
      release_barrier();
    else if (!progress)
      report_stuck();
  }
  if (!block_.count_traffic) return;
  block_.read.end_block(cluster);
  block_.written.end_block(cluster);
}

// Runs a warp until all its lanes wait or have exited, or for `quantum` instructions. The lanes at the lowest
// address run first: nvcc places a join after the branches that lead to it, so diverged lanes meet there.
// Returns whether anything ran.
bool Executor::run_warp(Warp& w, std::uint64_t quantum) {
  bool progress = false;
  std::uint64_t unfair = 0;
  for (;;) {
    const Mask ready = w.live & ~w.at_barrier & ~w.waiting;
    if (!ready) return progress;
    const Standing standing = standing_of(w, ready);
    std::uint32_t pc = standing.lowest, next = standing.second;
    if (unfair > patience) {  // the lowest lanes may be waiting for what the others do: let those run
      unfair = 0;
      pc = standing.highest;
      next = nowhere;
    }
    Mask mask = 0;
    for (unsigned l = 0; l < warp_size; ++l) mask |= Mask(w.pc[l] == pc) << l;
    mask &= ready;
    progress = true;
    bool together = true;
    do {
      if (next != nowhere) ++unfair;
      together = step(w, mask, pc) == Next::go_on;
      --quantum;
    } while (together && pc < next && quantum != 0 && unfair <= patience);
    if (together) set_pc(w, mask, pc);
    if (quantum == 0) return true;
  }
}

// Executes the instruction at pc for the lanes of the mask, which then stand at the new pc; or, when they do
// not stay together, stores where each stands and says `regroup`.
Executor::Next Executor::step(Warp& w, Mask& mask, std::uint32_t& pc) {
  const Instruction& i = function_.code[pc];
  const Mask active = i.guarded ? lanes_where(w, i.guard_offset, i.guard_negated, mask) : mask;
  statistics_.warp_instructions += 1;
  statistics_.thread_instructions += unsigned(std::popcount(active));
  if (i.flow == Flow::next) {
    if (active) i.run(w, i, active);
    ++pc;
    return Next::go_on;
  }
  if (++block_instructions_ > options_.control_budget)
    fault(FaultKind::budget, w, i, unsigned(std::countr_zero(mask)), "the block does not come to an end");
  if (!active) {
    ++pc;
    return Next::go_on;
  }
  switch (i.flow) {
    case Flow::branch:
      return branch(w, i, active, mask, pc);
    case Flow::exit:
      return exit(w, active, mask, pc);
    case Flow::barrier:
      return barrier(w, active, mask, pc);
    default:
      return warp_operation(w, i, active, mask, pc);
  }
}

Executor::Next Executor::branch(Warp& w, const Instruction& i, Mask taken, Mask& mask, std::uint32_t& pc) {
  if (taken == mask) {
    pc = i.target;
    return Next::go_on;
  }
  set_pc(w, taken, i.target);
  set_pc(w, mask & ~taken, pc + 1);
  return Next::regroup;
}

Executor::Next Executor::exit(Warp& w, Mask leaving, Mask& mask, std::uint32_t& pc) {
  w.live &= ~leaving;
  set_pc(w, leaving, pc);
  mask &= ~leaving;
  ++pc;
  set_pc(w, mask, pc);
  if (w.waiting) complete_waiting(w);
  return Next::regroup;
}

Executor::Next Executor::barrier(Warp& w, Mask arriving, Mask mask, std::uint32_t pc) {
  set_pc(w, arriving, pc);
  set_pc(w, mask & ~arriving, pc + 1);
  w.at_barrier |= arriving;
  return Next::regroup;
}

Mask Executor::members(Warp& w, const Instruction& i, unsigned lane) const {
  return source<std::uint32_t>(w, i.e)[lane];
}

// A .sync operation happens when all live lanes of its member mask have come to it.
Executor::Next Executor::warp_operation(Warp& w, const Instruction& i, Mask arriving, Mask mask,
                                        std::uint32_t& pc) {
  const Mask wanted = members(w, i, unsigned(std::countr_zero(arriving)));
  each_lane(arriving, [&](unsigned l) {
    if (members(w, i, l) != wanted)
      fault(FaultKind::warp_operation, w, i, l,
            "lanes that execute this together have different member masks");
    if (!(wanted >> l & 1))
      fault(FaultKind::warp_operation, w, i, l, "this lane is not in its own member mask");
  });
  set_pc(w, arriving, pc);
  set_pc(w, mask & ~arriving, pc + 1);
  Mask here = arriving;
  each_lane(w.waiting, [&](unsigned l) { here |= Mask(w.pc[l] == pc) << l; });
  if (wanted & w.live & ~here) {
    w.waiting |= arriving;
    return Next::regroup;
  }
  const Mask together = wanted & w.live;
  execute_together(w, i, together);
  if (together != mask) return Next::regroup;
  ++pc;
  return Next::go_on;
}

void Executor::execute_together(Warp& w, const Instruction& i, Mask mask) {
  i.run(w, i, mask);
  w.epoch += 1;
  w.waiting &= ~mask;
  set_pc(w, mask, i.index + 1);
}

// After lanes have exited, those that wait for them may go on without.
void Executor::complete_waiting(Warp& w) {
  for (Mask left = w.waiting; left;) {
    const std::uint32_t pc = w.pc[std::countr_zero(left)];
    Mask here = 0;
    each_lane(w.waiting, [&](unsigned l) { here |= Mask(w.pc[l] == pc) << l; });
    const Instruction& i = function_.code[pc];
    const Mask wanted = members(w, i, unsigned(std::countr_zero(here))) & w.live;
    if (!(wanted & ~here)) execute_together(w, i, wanted);
    left &= ~here;
  }
}

// All live threads wait at a barrier. It must be the same one, and no thread of the block may have left
// before: barriers belong in uniform control flow.
void Executor::release_barrier() {
  const Instruction* barrier = nullptr;
  unsigned arrived = 0, votes = 0;
  for (Warp& w : block_.warps) {
    each_lane(w.at_barrier, [&](unsigned l) {
      const Instruction& i = function_.code[w.pc[l]];
      if (barrier && barrier != &i)
        fault(FaultKind::barrier, w, i, l,
              message("divergent barrier: other threads of the block wait at PTX line ",
                      function_.origins[barrier->index].line));
      barrier = &i;
      ++arrived;
    });
    if (barrier && barrier->a) votes += unsigned(std::popcount(lanes_where(w, barrier->a, w.at_barrier)));
  }
  const unsigned threads = count(size_);
  for (Warp& w : block_.warps) {
    const Mask mask = w.at_barrier;
    if (mask && arrived != threads)
      fault(FaultKind::barrier, w, *barrier, unsigned(std::countr_zero(mask)),
            message("divergent barrier: ", threads - arrived, " of the block's ", threads,
                    " threads exit without reaching it"));
    if (barrier->mode) {
      const std::uint32_t results[] = {0, votes, votes == threads, votes != 0};  // popc, and, or
      each_lane(mask, [&](unsigned l) { sink<std::uint32_t>(w, barrier->d).set(l, results[barrier->mode]); });
    }
    set_pc(w, mask, barrier->index + 1);
    w.at_barrier = 0;
    w.epoch += 1;
  }
  block_.shadow.barrier();
}

// Nothing can run: some lanes wait at a warp operation for lanes that wait elsewhere.
void Executor::report_stuck() {
  for (Warp& w : block_.warps) {
    if (!w.waiting) continue;
    const unsigned lane = unsigned(std::countr_zero(w.waiting));
    const Instruction& i = function_.code[w.pc[lane]];
    fault(FaultKind::warp_operation, w, i, lane,
          "deadlock: lanes of the member mask wait elsewhere and never come here");
  }
  throw Fault(FaultKind::barrier, message("kernel ", function_.name, ": deadlock"));
}

}  // namespace tweedie::ptx
