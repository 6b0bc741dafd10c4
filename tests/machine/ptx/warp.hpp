// The state of running warps and blocks, and how handlers reach registers.
#pragma once

#include <bit>
#include <cstring>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

#include "tests/machine/ptx/program.hpp"
#include "tests/machine/ptx/shared_shadow.hpp"
#include "tests/machine/ptx/traffic.hpp"

namespace tweedie::ptx {

struct Block;

struct Warp {
  char* registers = nullptr;        ///< 64-byte aligned, Function::register_bytes
  const char* constants = nullptr;  ///< Function::constants
  char* local = nullptr;            ///< local_bytes for each lane
  Block* block = nullptr;
  unsigned id = 0;
  std::uint32_t pc[warp_size] = {};
  Mask live = 0;            ///< not exited
  Mask at_barrier = 0;      ///< waiting for the rest of the block
  Mask waiting = 0;         ///< waiting for other lanes at a warp operation
  Mask carry = 0;           ///< the condition code of add.cc and its kin
  std::uint32_t epoch = 1;  ///< counts synchronisations of this warp's lanes
};

/// One block being run, by one host thread.
struct Block {
  const Function* function = nullptr;
  const RangeSet* memory = nullptr;
  const char* parameters = nullptr;
  Dim3 index, size, grid;
  std::vector<Warp> warps;
  std::vector<char> shared;
  SharedShadow shadow;
  bool check_shared = true;
  std::mutex* atomics = nullptr;  ///< held by atomic accesses to global memory; null when alone
  bool count_traffic = false;
  Traffic read, written;          ///< of global memory, by this block and those before it
  std::vector<Range> last_range;  ///< for each instruction, the memory it touched last
};

/// Throws Fault: the text, then where: kernel, PTX line, source line, opcode, block and thread.
[[noreturn]] void fault(FaultKind kind, const Warp& warp, const Instruction& instruction, unsigned lane,
                        const std::string& text);

/// "thread (3,0,0)" of a lane, for texts.
std::string thread_name(const Block& block, unsigned thread);

// ---- registers ----------------------------------------------------------------------------------------

template <class T>
constexpr std::size_t slot_of = sizeof(T) == 8 ? 8 : 4;

/// Reads an operand whose register has the width of T (or is a constant): lane by lane, by index.
template <class T>
struct Source {
  const char* at;
  T operator[](unsigned lane) const {
    T value;
    std::memcpy(&value, at + lane * slot_of<T>, sizeof value);
    return value;
  }
};

template <class T>
inline Source<T> source(const Warp& w, const Operand& o) {
  if (o.kind == Operand::Kind::uniform)
    return {w.constants + o.offset + (sizeof(T) == 8 ? wide_constant : 0)};
  return {w.registers + o.offset};
}

template <class T>
struct Sink {
  char* at;
  void set(unsigned lane, T value) const { std::memcpy(at + lane * slot_of<T>, &value, sizeof value); }
};

template <class T>
inline Sink<T> sink(const Warp& w, const Operand& o) {
  return {w.registers + o.offset};
}

/// Reads the low bytes of an operand of any width; loads, stores, moves and conversions may mix widths.
template <class T>
struct AnySource {
  const char* at;
  std::size_t step;
  T operator[](unsigned lane) const {
    T value;
    std::memcpy(&value, at + lane * step, sizeof value);
    return value;
  }
};

template <class T>
inline AnySource<T> any_source(const Warp& w, const Operand& o) {
  return {source<T>(w, o).at, o.kind == Operand::Kind::uniform ? slot_of<T> : o.slot};
}

/// Writes a register of any width: sign-extends signed types, zero-extends others, drops what does not fit.
template <class T>
struct AnySink {
  char* at;
  std::size_t step;
  void set(unsigned lane, T value) const {
    std::uint64_t wide = 0;
    if constexpr (std::is_integral_v<T> && std::is_signed_v<T>)
      wide = std::uint64_t(std::int64_t(value));
    else
      std::memcpy(&wide, &value, sizeof value);
    if (step == 8)
      std::memcpy(at + lane * 8, &wide, 8);
    else
      std::memcpy(at + lane * 4, &wide, 4);
  }
};

template <class T>
inline AnySink<T> any_sink(const Warp& w, const Operand& o) {
  return {w.registers + o.offset, o.slot};
}

/// Calls f(lane) for each lane of the mask. The usual case, all of them, is a loop the compiler vectorises:
/// no handler's lane depends on what another lane has written.
template <class F>
inline void for_lanes(Mask mask, F f) {
  if (mask == all_lanes) {
#pragma GCC ivdep
    for (unsigned lane = 0; lane < warp_size; ++lane) f(lane);
  } else {
    for (; mask; mask &= mask - 1) f(unsigned(std::countr_zero(mask)));
  }
}

/// The same one lane after the other, for handlers whose lanes share something.
template <class F>
inline void each_lane(Mask mask, F f) {
  for (; mask; mask &= mask - 1) f(unsigned(std::countr_zero(mask)));
}

/// The lanes of the mask in which a predicate (in 32 bits) holds.
inline Mask lanes_where(const Warp& w, std::uint32_t offset, bool negated, Mask mask) {
  const Source<std::uint32_t> predicate{w.registers + offset};
  Mask set = 0;
  for (unsigned lane = 0; lane < warp_size; ++lane) set |= Mask(predicate[lane] != 0) << lane;
  return mask & (negated ? ~set : set);
}

inline Mask lanes_where(const Warp& w, const Operand& predicate, Mask mask) {
  if (predicate.kind == Operand::Kind::uniform) {
    const bool holds = (source<std::uint32_t>(w, predicate)[0] != 0) != predicate.negated;
    return holds ? mask : 0;
  }
  return lanes_where(w, predicate.offset, predicate.negated, mask);
}

// ---- element by element -------------------------------------------------------------------------------

/// d = Op(a), Op(a, b), Op(a, b, c) with results of type D. Op::of takes the instruction first, for its
/// modifiers.
template <class D, class A, class Op>
void unary(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<D>(w, i.d);
  const auto a = source<A>(w, i.a);
  for_lanes(m, [&](unsigned l) { d.set(l, Op::of(i, a[l])); });
}

template <class D, class A, class B, class Op>
void binary(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<D>(w, i.d);
  const auto a = source<A>(w, i.a);
  const auto b = source<B>(w, i.b);
  for_lanes(m, [&](unsigned l) { d.set(l, Op::of(i, a[l], b[l])); });
}

template <class D, class A, class C, class Op>
void ternary(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<D>(w, i.d);
  const auto a = source<A>(w, i.a);
  const auto b = source<A>(w, i.b);
  const auto c = source<C>(w, i.c);
  for_lanes(m, [&](unsigned l) { d.set(l, Op::of(i, a[l], b[l], c[l])); });
}

}  // namespace tweedie::ptx
