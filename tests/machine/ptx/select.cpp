// Comparisons, selections and moves: setp, set, selp, slct, mov.
#include <cmath>

#include "tests/machine/ptx/decode.hpp"
#include "tests/machine/ptx/rounded.hpp"
#include "tests/machine/ptx/warp.hpp"

namespace tweedie::ptx {
namespace {

enum class Compare : std::uint8_t { eq, ne, lt, le, gt, ge, equ, neu, ltu, leu, gtu, geu, num, nan };
enum class Combine : std::uint8_t { none, conjunction, disjunction, exclusive };

template <class T>
bool compare(Compare how, T a, T b) {
  bool unordered = false;
  if constexpr (std::is_floating_point_v<T>) unordered = std::isnan(a) || std::isnan(b);
  switch (how) {
    case Compare::eq:
      return a == b;
    case Compare::ne:
      return !unordered && a != b;
    case Compare::lt:
      return a < b;
    case Compare::le:
      return a <= b;
    case Compare::gt:
      return a > b;
    case Compare::ge:
      return a >= b;
    case Compare::equ:
      return unordered || a == b;
    case Compare::neu:
      return unordered || a != b;
    case Compare::ltu:
      return unordered || a < b;
    case Compare::leu:
      return unordered || a <= b;
    case Compare::gtu:
      return unordered || a > b;
    case Compare::geu:
      return unordered || a >= b;
    case Compare::num:
      return !unordered;
    case Compare::nan:
      return unordered;
  }
  return false;
}

// The lanes in which the comparison holds. T is how the operands are stored, float for 16-bit types too.
template <class T, Compare how>
Mask holds(Warp& w, const Instruction& i) {
  std::uint32_t bit[warp_size];
  const auto a = source<T>(w, i.a), b = source<T>(w, i.b);
  for_lanes(all_lanes, [&](unsigned l) {
    if constexpr (sizeof(T) == 4 && std::is_floating_point_v<T>)
      bit[l] = compare(how, flushed(i, a[l]), flushed(i, b[l]));
    else
      bit[l] = compare(how, a[l], b[l]);
  });
  Mask mask = 0;
  for (unsigned l = 0; l < warp_size; ++l) mask |= bit[l] << l;
  return mask;
}

template <class H>
Mask holds_half(Warp& w, const Instruction& i, Compare how) {
  const auto a = source<H>(w, i.a), b = source<H>(w, i.b);
  Mask mask = 0;
  for (unsigned l = 0; l < warp_size; ++l) mask |= Mask(compare(how, to_float(a[l]), to_float(b[l]))) << l;
  return mask;
}

Mask combined(const Warp& w, const Instruction& i, Mask compared, Mask lanes) {
  const Mask other = Combine(i.combine) == Combine::none ? 0 : lanes_where(w, i.c, lanes);
  switch (Combine(i.combine)) {
    case Combine::conjunction:
      return compared & other;
    case Combine::disjunction:
      return compared | other;
    case Combine::exclusive:
      return compared ^ other;
    default:
      return compared;
  }
}

// setp writes a predicate, and the second one from the opposite comparison; set writes all ones or 1.0.
void write_comparison(Warp& w, const Instruction& i, Mask compared, Mask m) {
  const Mask first = combined(w, i, compared, m);
  const Mask second = i.d2 ? combined(w, i, ~compared, m) : 0;
  const std::uint32_t yes = i.vector == 0 ? (i.type2 == Type::f32 ? 0x3f800000u : ~0u) : 1u;
  if (i.d) {
    const auto d = sink<std::uint32_t>(w, i.d);
    for_lanes(m, [&](unsigned l) { d.set(l, (first >> l) & 1 ? yes : 0); });
  }
  if (!i.d2) return;
  const auto d2 = sink<std::uint32_t>(w, i.d2);
  for_lanes(m, [&](unsigned l) { d2.set(l, (second >> l) & 1); });
}

template <class T, Compare how>
void set_predicate(Warp& w, const Instruction& i, Mask m) {
  write_comparison(w, i, holds<T, how>(w, i), m);
}

template <class H>
void set_predicate_half(Warp& w, const Instruction& i, Mask m) {
  write_comparison(w, i, holds_half<H>(w, i, Compare(i.mode)), m);
}

template <class T>
Handler comparing(Compare how) {
  switch (how) {
    case Compare::eq:
      return set_predicate<T, Compare::eq>;
    case Compare::ne:
      return set_predicate<T, Compare::ne>;
    case Compare::lt:
      return set_predicate<T, Compare::lt>;
    case Compare::le:
      return set_predicate<T, Compare::le>;
    case Compare::gt:
      return set_predicate<T, Compare::gt>;
    case Compare::ge:
      return set_predicate<T, Compare::ge>;
    case Compare::equ:
      return set_predicate<T, Compare::equ>;
    case Compare::neu:
      return set_predicate<T, Compare::neu>;
    case Compare::ltu:
      return set_predicate<T, Compare::ltu>;
    case Compare::leu:
      return set_predicate<T, Compare::leu>;
    case Compare::gtu:
      return set_predicate<T, Compare::gtu>;
    case Compare::geu:
      return set_predicate<T, Compare::geu>;
    case Compare::num:
      return set_predicate<T, Compare::num>;
    case Compare::nan:
      return set_predicate<T, Compare::nan>;
  }
  return nullptr;
}

// Used for setp and, with i.vector = 0 as its mark, for set, whose second type is that of the operands.
void decode_comparison(Decoding& d) {
  static const std::unordered_map<std::string_view, Compare> compares = {
      {"eq", Compare::eq},   {"ne", Compare::ne},   {"lt", Compare::lt},   {"le", Compare::le},
      {"gt", Compare::gt},   {"ge", Compare::ge},   {"lo", Compare::lt},   {"ls", Compare::le},
      {"hi", Compare::gt},   {"hs", Compare::ge},   {"equ", Compare::equ}, {"neu", Compare::neu},
      {"ltu", Compare::ltu}, {"leu", Compare::leu}, {"gtu", Compare::gtu}, {"geu", Compare::geu},
      {"num", Compare::num}, {"nan", Compare::nan}};
  Instruction& i = d.instruction;
  const auto how = d.opcode.parts.size() > 1 ? compares.find(d.opcode.parts[1]) : compares.end();
  if (how == compares.end()) return;
  i.mode = std::uint8_t(how->second);
  i.combine = std::uint8_t(d.opcode.has("and")   ? Combine::conjunction
                           : d.opcode.has("or")  ? Combine::disjunction
                           : d.opcode.has("xor") ? Combine::exclusive
                                                 : Combine::none);
  if (d.opcode.base() == "set") {
    std::swap(i.type, i.type2);
    i.vector = 0;
  }
  switch (i.type) {
    case Type::f16:
      i.run = set_predicate_half<F16>;
      break;
    case Type::bf16:
      i.run = set_predicate_half<Bf16>;
      break;
    case Type::f32:
      i.run = comparing<float>(how->second);
      break;
    case Type::f64:
      i.run = comparing<double>(how->second);
      break;
    default:
      i.run = for_integer(i.type, [&]<class T>(T) { return comparing<T>(how->second); });
  }
}

template <class T>
void select(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<T>(w, i.d);
  const auto a = source<T>(w, i.a), b = source<T>(w, i.b);
  const Mask first = lanes_where(w, i.c, m);
  for_lanes(m, [&](unsigned l) {
    const T x = a[l], y = b[l];
    d.set(l, (first >> l) & 1 ? x : y);
  });
}

// By the sign of c: a where it is >= 0.
template <class T, class C>
void select_by_sign(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<T>(w, i.d);
  const auto a = source<T>(w, i.a), b = source<T>(w, i.b);
  const auto c = source<C>(w, i.c);
  for_lanes(m, [&](unsigned l) { d.set(l, c[l] >= 0 ? a[l] : b[l]); });
}

template <class T>
void move(Warp& w, const Instruction& i, Mask m) {
  const auto d = any_sink<T>(w, i.d);
  const auto a = any_source<T>(w, i.a);
  if (i.d.slot == slot_of<T> && sizeof(T) >= 4) {
    const auto same = sink<T>(w, i.d);
    for_lanes(m, [&](unsigned l) { same.set(l, a[l]); });
  } else {
    for_lanes(m, [&](unsigned l) { d.set(l, a[l]); });
  }
}

void move_predicate(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<std::uint32_t>(w, i.d);
  const Mask a = lanes_where(w, i.a, m);
  for_lanes(m, [&](unsigned l) { d.set(l, (a >> l) & 1); });
}

std::uint64_t read_bits(const Warp& w, const Operand& o, unsigned bytes, unsigned lane) {
  switch (bytes) {
    case 1:
      return any_source<std::uint8_t>(w, o)[lane];
    case 2:
      return any_source<std::uint16_t>(w, o)[lane];
    case 4:
      return any_source<std::uint32_t>(w, o)[lane];
    default:
      return any_source<std::uint64_t>(w, o)[lane];
  }
}

// mov.b64 {lo, hi}, x
void unpack(Warp& w, const Instruction& i, Mask m) {
  const unsigned bytes = size_of(i.type), each = bytes / unsigned(i.elements.size());
  each_lane(m, [&](unsigned l) {
    const std::uint64_t whole = read_bits(w, i.a, bytes, l);
    for (std::size_t k = 0; k < i.elements.size(); ++k) {
      const std::uint64_t piece = whole >> 8 * each * k;
      if (!i.elements[k]) continue;
      if (each == 4)
        any_sink<std::uint32_t>(w, i.elements[k]).set(l, std::uint32_t(piece));
      else if (each == 2)
        any_sink<std::uint16_t>(w, i.elements[k]).set(l, std::uint16_t(piece));
      else
        any_sink<std::uint8_t>(w, i.elements[k]).set(l, std::uint8_t(piece));
    }
  });
}

// mov.b64 x, {lo, hi}
void pack(Warp& w, const Instruction& i, Mask m) {
  const unsigned bytes = size_of(i.type), each = bytes / unsigned(i.elements.size());
  each_lane(m, [&](unsigned l) {
    std::uint64_t whole = 0;
    for (std::size_t k = 0; k < i.elements.size(); ++k)
      whole |= read_bits(w, i.elements[k], each, l) << 8 * each * k;
    if (bytes == 8)
      any_sink<std::uint64_t>(w, i.d).set(l, whole);
    else if (bytes == 4)
      any_sink<std::uint32_t>(w, i.d).set(l, std::uint32_t(whole));
    else
      any_sink<std::uint16_t>(w, i.d).set(l, std::uint16_t(whole));
  });
}

void decode_mov(Decoding& d) {
  Instruction& i = d.instruction;
  if (d.type() == Type::b128) return;
  if (!i.elements.empty())
    i.run = i.d ? pack : unpack;
  else if (d.type() == Type::pred)
    i.run = move_predicate;
  else
    i.run = for_bits(d.type(), []<class T>(T) -> Handler { return move<T>; });
}

void decode_slct(Decoding& d) {
  const bool by_float = d.instruction.type2 == Type::f32;
  d.instruction.run = for_bits(d.type(), [&]<class T>(T) -> Handler {
    return by_float ? select_by_sign<T, float> : select_by_sign<T, std::int32_t>;
  });
}

}  // namespace

void add_select_decoders(DecoderTables& tables) {
  DecoderTable& table = tables.any;
  table["setp"] = table["set"] = decode_comparison;
  table["selp"] = [](Decoding& d) {
    d.instruction.run = for_bits(d.type(), []<class T>(T) -> Handler { return select<T>; });
  };
  table["slct"] = decode_slct;
  table["mov"] = decode_mov;
}

}  // namespace tweedie::ptx
