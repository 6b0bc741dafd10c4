// atom and red: a read-modify-write of one place, lane after lane.
#include <algorithm>

#include "tests/machine/ptx/decode.hpp"
#include "tests/machine/ptx/half.hpp"
#include "tests/machine/ptx/memory.hpp"
#include "tests/machine/ptx/reduction.hpp"

namespace tweedie::ptx {
namespace {

std::unique_lock<std::mutex> alone(const Warp& w, const Instruction& i) {
  if (i.space == Space::shared || !w.block->atomics) return {};
  return std::unique_lock(*w.block->atomics);
}

template <class T>
void atomic(Warp& w, const Instruction& i, Mask m) {
  Places places;
  locate(places, w, i, i.a, i.space, sizeof(T), m, Access::atomic);
  const auto b = source<T>(w, i.b), c = i.c ? source<T>(w, i.c) : b;
  const auto lock = alone(w, i);
  each_lane(m, [&](unsigned l) {
    T before;
    std::memcpy(&before, places[l], sizeof before);
    const T after = reduced(Reduction(i.mode), before, b[l], c[l]);
    std::memcpy(places[l], &after, sizeof after);
    if (i.d) sink<T>(w, i.d).set(l, before);
  });
}

// fp16 and bf16, one (T 16 bits wide) or two: addition only.
template <class H, class T>
void atomic_half_add(Warp& w, const Instruction& i, Mask m) {
  Places places;
  locate(places, w, i, i.a, i.space, sizeof(T), m, Access::atomic);
  const auto b = source<T>(w, i.b);
  const auto lock = alone(w, i);
  each_lane(m, [&](unsigned l) {
    T before;
    std::memcpy(&before, places[l], sizeof before);
    const T after = T(half_pair_result<H, HalfOperation::add>(Instruction(), before, b[l], 0));
    std::memcpy(places[l], &after, sizeof after);
    if (i.d) sink<T>(w, i.d).set(l, before);
  });
}

Handler handler_of(Type t, Reduction operation) {
  const bool adds = operation == Reduction::add;
  const bool bitwise = operation == Reduction::exchange || operation == Reduction::compare_and_swap;
  switch (t) {
    case Type::u32:
    case Type::b32:
      return atomic<std::uint32_t>;
    case Type::s32:
      return atomic<std::int32_t>;
    case Type::u64:
    case Type::b64:
      return atomic<std::uint64_t>;
    case Type::s64:
      return atomic<std::int64_t>;
    case Type::b16:
      return bitwise ? atomic<std::uint16_t> : Handler();
    case Type::f32:
      return adds ? atomic<float> : Handler();
    case Type::f64:
      return adds ? atomic<double> : Handler();
    case Type::f16:
      return adds ? atomic_half_add<F16, std::uint16_t> : Handler();
    case Type::bf16:
      return adds ? atomic_half_add<Bf16, std::uint16_t> : Handler();
    case Type::f16x2:
      return adds ? atomic_half_add<F16, std::uint32_t> : Handler();
    case Type::bf16x2:
      return adds ? atomic_half_add<Bf16, std::uint32_t> : Handler();
    default:
      return nullptr;
  }
}

void decode_atom(Decoding& d) {
  Instruction& i = d.instruction;
  const auto operation = reduction_named(d.opcode);
  if (!operation || i.vector != 1) return;
  if (d.opcode.base() == "red") {
    i.b = d.operands.at(1).value;
    i.a = d.operands.at(0).value;
    i.d = i.c = {};
  }
  i.mode = std::uint8_t(*operation);
  i.run = handler_of(d.type(), *operation);
}

}  // namespace

std::optional<Reduction> reduction_named(const Opcode& opcode) {
  static const std::unordered_map<std::string_view, Reduction> names = {{"add", Reduction::add},
                                                                        {"min", Reduction::min},
                                                                        {"max", Reduction::max},
                                                                        {"inc", Reduction::increment},
                                                                        {"dec", Reduction::decrement},
                                                                        {"exch", Reduction::exchange},
                                                                        {"cas", Reduction::compare_and_swap},
                                                                        {"and", Reduction::conjunction},
                                                                        {"or", Reduction::disjunction},
                                                                        {"xor", Reduction::exclusive}};
  for (std::size_t k = 1; k < opcode.parts.size(); ++k)
    if (const auto found = names.find(opcode.parts[k]); found != names.end()) return found->second;
  return std::nullopt;
}

void add_atomic_decoders(DecoderTables& tables) { tables.any["atom"] = tables.any["red"] = decode_atom; }

}  // namespace tweedie::ptx
