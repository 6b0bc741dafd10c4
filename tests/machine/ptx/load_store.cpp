// ld, st, cp.async, cvta, isspacep, fences and prefetches.
#include "tests/machine/ptx/decode.hpp"
#include "tests/machine/ptx/memory.hpp"

namespace tweedie::ptx {
namespace {

// Whether 32 lanes access one block of memory in order: a copy then does for all.
template <class T>
bool contiguous(const Places& places, Mask m) {
  if (m != all_lanes) return false;
  std::uint64_t differs = 0;
  for (unsigned l = 0; l < warp_size; ++l) differs |= places.address[l] ^ (places.address[0] + l * sizeof(T));
  return differs == 0;
}

template <class T>
T peek(const Places& places, unsigned lane, unsigned element = 0) {
  T value;
  std::memcpy(&value, places[lane] + element * sizeof(T), sizeof value);
  return value;
}

template <class T>
void load(Warp& w, const Instruction& i, Mask m) {
  Places places;
  locate(places, w, i, i.a, i.space, sizeof(T) * i.vector, m, Access::read);
  if (i.vector > 1) {
    for (unsigned k = 0; k < i.vector; ++k) {
      if (!i.elements[k]) continue;
      const auto d = any_sink<T>(w, i.elements[k]);
      for_lanes(m, [&](unsigned l) { d.set(l, peek<T>(places, l, k)); });
    }
  } else if (i.d.slot != sizeof(T)) {
    const auto d = any_sink<T>(w, i.d);
    for_lanes(m, [&](unsigned l) { d.set(l, peek<T>(places, l)); });
  } else if (contiguous<T>(places, m)) {
    std::memcpy(w.registers + i.d.offset, places[0], warp_size * sizeof(T));
  } else {
    const auto d = sink<T>(w, i.d);
    for_lanes(m, [&](unsigned l) { d.set(l, peek<T>(places, l)); });
  }
}

template <class T>
void store(Warp& w, const Instruction& i, Mask m) {
  Places places;
  locate(places, w, i, i.a, i.space, sizeof(T) * i.vector, m, Access::write);
  if (i.vector == 1 && i.b.kind == Operand::Kind::lanes && i.b.slot == sizeof(T) &&
      contiguous<T>(places, m)) {
    std::memcpy(places[0], w.registers + i.b.offset, warp_size * sizeof(T));
    return;
  }
  for (unsigned k = 0; k < i.vector; ++k) {
    const auto b = any_source<T>(w, i.vector > 1 ? i.elements[k] : i.b);
    // Lane after lane: two lanes may write the same place, and then the last one counts.
    each_lane(m, [&](unsigned l) {
      const T value = b[l];
      std::memcpy(places[l] + k * sizeof(T), &value, sizeof value);
    });
  }
}

// A kernel's parameter is the same in all lanes.
template <class T>
void load_parameter(Warp& w, const Instruction& i, Mask m) {
  T value;
  std::memcpy(&value, w.block->parameters + source<std::uint64_t>(w, i.a)[0] + i.a.displacement,
              sizeof value);
  const auto d = any_sink<T>(w, i.d);
  for_lanes(m, [&](unsigned l) { d.set(l, value); });
}

/// By the size of the memory operand, and for loads into wider registers by its sign.
template <class F>
Handler for_memory(Type t, F f) {
  switch (t) {
    case Type::u8:
    case Type::b8:
      return f(std::uint8_t());
    case Type::s8:
      return f(std::int8_t());
    case Type::s16:
      return f(std::int16_t());
    case Type::s32:
      return f(std::int32_t());
    case Type::pred:
    case Type::none:
    case Type::b128:
      return nullptr;
    default:
      return for_bits(t, f);
  }
}

// A .param variable inside a function body is an argument of a call: it lives in local memory.
void fix_space(Decoding& d, const ParsedOperand& address) {
  if (d.instruction.space == Space::parameter && address.symbol_space == Space::local)
    d.instruction.space = Space::local;
}

void decode_ld(Decoding& d) {
  Instruction& i = d.instruction;
  if (d.operands.size() != 2 || i.elements.size() != (i.vector > 1 ? i.vector : 0u)) return;
  fix_space(d, d.operands[1]);
  const bool scalar_parameter =
      i.space == Space::parameter && i.vector == 1 && i.a.kind == Operand::Kind::uniform;
  i.run = for_memory(d.type(),
                     [&]<class T>(T) -> Handler { return scalar_parameter ? load_parameter<T> : load<T>; });
}

void decode_st(Decoding& d) {
  Instruction& i = d.instruction;
  if (d.operands.size() != 2 || i.elements.size() != (i.vector > 1 ? i.vector : 0u)) return;
  i.b = d.operands[1].value;
  i.a = d.operands[0].value;
  i.d = {};
  fix_space(d, d.operands[0]);
  i.run = for_memory(d.type(), []<class T>(T) -> Handler { return store<T>; });
}

// Copies at once, which an asynchronous copy may do; zeros beyond the source size (third operand).
void copy_to_shared(Warp& w, const Instruction& i, Mask m) {
  const unsigned bytes = source<std::uint32_t>(w, i.b)[0];
  Places to, from;
  locate(to, w, i, i.d, Space::shared, bytes, m, Access::write);
  const auto size = source<std::uint32_t>(w, i.c ? i.c : i.b);
  Mask reading = 0;
  each_lane(m, [&](unsigned l) { reading |= Mask(size[l] != 0) << l; });
  if (reading) locate(from, w, i, i.a, Space::global, bytes, reading, Access::read);
  each_lane(m, [&](unsigned l) {
    std::memset(to[l], 0, bytes);
    if (size[l]) std::memcpy(to[l], from[l], std::min(size[l], bytes));
  });
}

void nothing(Warp&, const Instruction&, Mask) {}

void decode_cp(Decoding& d) {
  Instruction& i = d.instruction;
  if (!d.opcode.has("async")) return;
  if (d.opcode.has("commit_group") || d.opcode.has("wait_group") || d.opcode.has("wait_all"))
    i.run = nothing;
  else if (d.opcode.has("global") && d.operands.size() >= 3)
    i.run = copy_to_shared;
}

// mode: 1 from generic to the space, 0 the other way.
void convert_address(Warp& w, const Instruction& i, Mask m) {
  const std::uint64_t base = i.space == Space::shared  ? shared_window
                             : i.space == Space::local ? local_window
                                                       : 0;
  const std::uint64_t shift = i.mode ? 0 - base : base;
  const auto d = any_sink<std::uint64_t>(w, i.d);
  if (i.a.kind == Operand::Kind::lanes && i.a.slot == 4) {
    const auto a = source<std::uint32_t>(w, i.a);
    for_lanes(m, [&](unsigned l) { d.set(l, a[l] + shift); });
  } else {
    const auto a = source<std::uint64_t>(w, i.a);
    for_lanes(m, [&](unsigned l) { d.set(l, a[l] + shift); });
  }
}

void test_space(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<std::uint32_t>(w, i.d);
  const auto a = source<std::uint64_t>(w, i.a);
  for_lanes(m, [&](unsigned l) {
    const bool shared = a[l] - shared_window < window_bytes, local = a[l] - local_window < window_bytes;
    d.set(l, i.space == Space::shared ? shared : i.space == Space::local ? local : !shared && !local);
  });
}

}  // namespace

void add_memory_decoders(DecoderTables& tables) {
  DecoderTable& table = tables.any;
  table["ld"] = table["ldu"] = decode_ld;
  table["st"] = decode_st;
  table["cp"] = decode_cp;
  table["cvta"] = [](Decoding& d) {
    d.instruction.mode = d.opcode.has("to");
    d.instruction.run = convert_address;
  };
  table["isspacep"] = [](Decoding& d) { d.instruction.run = test_space; };
  // One warp instruction runs at a time and to its end: memory is always in order.
  for (const char* name :
       {"membar", "fence", "prefetch", "prefetchu", "discard", "applypriority", "nanosleep"})
    table[name] = [](Decoding& d) { d.instruction.run = nothing; };
}

}  // namespace tweedie::ptx
