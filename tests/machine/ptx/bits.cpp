// Bits: and, or, xor, not, shifts, counts, fields, permutations.
#include <algorithm>

#include "tests/machine/ptx/decode.hpp"
#include "tests/machine/ptx/warp.hpp"

namespace tweedie::ptx {
namespace {

struct And {
  template <class T>
  static T of(const Instruction&, T a, T b) {
    return T(a & b);
  }
};
struct Or {
  template <class T>
  static T of(const Instruction&, T a, T b) {
    return T(a | b);
  }
};
struct Xor {
  template <class T>
  static T of(const Instruction&, T a, T b) {
    return T(a ^ b);
  }
};
struct Not {
  template <class T>
  static T of(const Instruction&, T a) {
    return T(~a);
  }
};
struct Cnot {
  template <class T>
  static T of(const Instruction&, T a) {
    return T(a == 0);
  }
};

// Shifts by the width or more give 0, or for signed right shifts the sign. The amount is 32-bit always.
template <class T>
void shift_left(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<T>(w, i.d);
  const auto a = source<T>(w, i.a);
  const auto b = source<std::uint32_t>(w, i.b);
  for_lanes(m, [&](unsigned l) { d.set(l, b[l] >= 8 * sizeof(T) ? T(0) : T(a[l] << b[l])); });
}

template <class T>
void shift_right(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<T>(w, i.d);
  const auto a = source<T>(w, i.a);
  const auto b = source<std::uint32_t>(w, i.b);
  constexpr std::uint32_t most = 8 * sizeof(T) - 1;
  for_lanes(m, [&](unsigned l) {
    const T halfway = T(a[l] >> std::min(b[l], most));
    d.set(l, b[l] > most && std::is_unsigned_v<T> ? T(0) : halfway);
  });
}

struct PopulationCount {
  template <class T>
  static std::uint32_t of(const Instruction&, T a) {
    return std::uint32_t(std::popcount(a));
  }
};
struct LeadingZeros {
  template <class T>
  static std::uint32_t of(const Instruction&, T a) {
    return std::uint32_t(std::countl_zero(a));
  }
};
struct Reverse {
  template <class T>
  static T of(const Instruction&, T a) {
    T r = 0;
    for (unsigned k = 0; k < 8 * sizeof(T); ++k) r = T(r << 1 | ((a >> k) & 1));
    return r;
  }
};
// The highest bit that differs from the sign; mode: counted from the top instead (.shiftamt).
struct FindBit {
  template <class T>
  static std::uint32_t of(const Instruction& i, T a) {
    using U = std::make_unsigned_t<T>;
    const U bits = a < 0 ? U(~a) : U(a);
    if (bits == 0) return ~0u;
    const auto zeros = std::uint32_t(std::countl_zero(bits));
    return i.mode ? zeros : std::uint32_t(8 * sizeof(T) - 1) - zeros;
  }
};

template <class T>
void extract_field(Warp& w, const Instruction& i, Mask m) {
  constexpr std::uint32_t width = 8 * sizeof(T);
  using U = std::make_unsigned_t<T>;
  const auto d = sink<T>(w, i.d);
  const auto a = source<T>(w, i.a);
  const auto b = source<std::uint32_t>(w, i.b), c = source<std::uint32_t>(w, i.c);
  for_lanes(m, [&](unsigned l) {
    const std::uint32_t start = b[l] & 255, length = c[l] & 255;
    const std::uint32_t sign_at = std::min(start + length - (length ? 1 : 0), width - 1);
    const bool sign = std::is_signed_v<T> && length && ((a[l] >> sign_at) & 1);
    U field = start < width ? U(U(a[l]) >> start) : U(0);
    const std::uint32_t got = std::min(length, start < width ? width - start : 0);  // the rest is sign
    if (got < width) {
      const U low = U((U(1) << got) - 1);
      field = sign ? U(field | U(~low)) : U(field & low);
    }
    d.set(l, length ? T(field) : T(0));
  });
}

template <class T>
void insert_field(Warp& w, const Instruction& i, Mask m) {
  constexpr std::uint32_t width = 8 * sizeof(T);
  const auto d = sink<T>(w, i.d);
  const auto a = source<T>(w, i.a), b = source<T>(w, i.b);
  const auto c = source<std::uint32_t>(w, i.c), e = source<std::uint32_t>(w, i.e);
  for_lanes(m, [&](unsigned l) {
    const std::uint32_t start = c[l] & 255, length = e[l] & 255;
    if (start >= width || length == 0) return d.set(l, b[l]);
    const T low = length >= width ? T(~T(0)) : T((T(1) << length) - 1);
    const T field = T(low << start);
    d.set(l, T((b[l] & ~field) | ((a[l] << start) & field)));
  });
}

// The byte of {b, a} that nibble k of the selector names, or in the named modes the position alone.
std::uint32_t selected_byte(unsigned mode, std::uint32_t selector, unsigned k) {
  const std::uint32_t v = selector & 3;
  switch (mode) {
    case 1:
      return (v + k) & 7;  // f4e
    case 2:
      return (v - k) & 7;  // b4e
    case 3:
      return v;  // rc8
    case 4:
      return std::max(k, v);  // ecl
    case 5:
      return std::min(k, v);  // ecr
    case 6:
      return (v & 1) * 2 + (k & 1);  // rc16
    default:
      return (selector >> 4 * k) & 15;
  }
}

void permute(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<std::uint32_t>(w, i.d);
  const auto a = source<std::uint32_t>(w, i.a), b = source<std::uint32_t>(w, i.b),
             c = source<std::uint32_t>(w, i.c);
  for_lanes(m, [&](unsigned l) {
    const std::uint64_t bytes = a[l] | std::uint64_t(b[l]) << 32;
    std::uint32_t r = 0;
    for (unsigned k = 0; k < 4; ++k) {
      const std::uint32_t which = selected_byte(i.mode, c[l], k);
      std::uint32_t byte = std::uint32_t(bytes >> 8 * (which & 7)) & 255;
      if (which & 8) byte = byte & 128 ? 255 : 0;  // the sign, spread
      r |= byte << 8 * k;
    }
    d.set(l, r);
  });
}

// mode: 1 left; combine: 1 amounts above 32 count as 32, else modulo 32.
void funnel_shift(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<std::uint32_t>(w, i.d);
  const auto a = source<std::uint32_t>(w, i.a), b = source<std::uint32_t>(w, i.b),
             c = source<std::uint32_t>(w, i.c);
  for_lanes(m, [&](unsigned l) {
    const std::uint64_t both = a[l] | std::uint64_t(b[l]) << 32;
    const std::uint32_t n = i.combine ? std::min(c[l], 32u) : c[l] & 31;
    d.set(l, i.mode ? std::uint32_t((both << n) >> 32) : std::uint32_t(both >> n));
  });
}

void logic3(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<std::uint32_t>(w, i.d);
  const auto a = source<std::uint32_t>(w, i.a), b = source<std::uint32_t>(w, i.b),
             c = source<std::uint32_t>(w, i.c);
  const std::uint32_t table = source<std::uint32_t>(w, i.e)[0];
  for_lanes(m, [&](unsigned l) {
    std::uint32_t r = 0;
    for (unsigned k = 0; k < 8; ++k)
      if (table >> k & 1) r |= (k & 4 ? a[l] : ~a[l]) & (k & 2 ? b[l] : ~b[l]) & (k & 1 ? c[l] : ~c[l]);
    d.set(l, r);
  });
}

// On predicates; mode: a Logic.
enum class Logic : std::uint8_t { conjunction, disjunction, exclusive, negation };

void predicate_logic(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<std::uint32_t>(w, i.d);
  const Mask a = lanes_where(w, i.a, m), b = i.b ? lanes_where(w, i.b, m) : 0;
  Mask r = 0;
  switch (Logic(i.mode)) {
    case Logic::conjunction:
      r = a & b;
      break;
    case Logic::disjunction:
      r = a | b;
      break;
    case Logic::exclusive:
      r = a ^ b;
      break;
    case Logic::negation:
      r = ~a;
      break;
  }
  for_lanes(m, [&](unsigned l) { d.set(l, (r >> l) & 1); });
}

template <class Op, Logic logic>
void decode_logic(Decoding& d) {
  if (d.type() == Type::pred) {
    d.instruction.mode = std::uint8_t(logic);
    d.instruction.run = predicate_logic;
  } else {
    d.instruction.run = for_bits(d.type(), []<class T>(T) -> Handler { return binary<T, T, T, Op>; });
  }
}

void decode_not(Decoding& d) {
  d.instruction.mode = std::uint8_t(Logic::negation);
  d.instruction.run = d.type() == Type::pred
                          ? predicate_logic
                          : for_bits(d.type(), []<class T>(T) -> Handler { return unary<T, T, Not>; });
}

template <class Op>
void decode_count(Decoding& d) {
  d.instruction.run = size_of(d.type()) == 8 ? unary<std::uint32_t, std::uint64_t, Op>
                                             : unary<std::uint32_t, std::uint32_t, Op>;
}

void decode_prmt(Decoding& d) {
  static constexpr const char* modes[] = {"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"};
  for (unsigned k = 0; k < std::size(modes); ++k)
    if (d.opcode.has(modes[k])) d.instruction.mode = std::uint8_t(k + 1);
  d.instruction.run = permute;
}

void decode_shf(Decoding& d) {
  d.instruction.mode = d.opcode.has("l");
  d.instruction.combine = d.opcode.has("clamp");
  d.instruction.run = funnel_shift;
}

void decode_bfind(Decoding& d) {
  d.instruction.mode = d.opcode.has("shiftamt");
  d.instruction.run =
      for_integer(d.type(), []<class T>(T) -> Handler { return unary<std::uint32_t, T, FindBit>; });
}

}  // namespace

void add_bit_decoders(DecoderTables& tables) {
  DecoderTable& table = tables.integer;
  table["and"] = decode_logic<And, Logic::conjunction>;
  table["or"] = decode_logic<Or, Logic::disjunction>;
  table["xor"] = decode_logic<Xor, Logic::exclusive>;
  table["not"] = decode_not;
  table["cnot"] = [](Decoding& d) {
    d.instruction.run = for_bits(d.type(), []<class T>(T) -> Handler { return unary<T, T, Cnot>; });
  };
  table["shl"] = [](Decoding& d) {
    d.instruction.run = for_bits(d.type(), []<class T>(T) -> Handler { return shift_left<T>; });
  };
  table["shr"] = [](Decoding& d) {
    d.instruction.run = for_integer(d.type(), []<class T>(T) -> Handler { return shift_right<T>; });
  };
  table["popc"] = decode_count<PopulationCount>;
  table["clz"] = decode_count<LeadingZeros>;
  table["brev"] = [](Decoding& d) {
    d.instruction.run = for_bits(d.type(), []<class T>(T) -> Handler { return unary<T, T, Reverse>; });
  };
  table["bfind"] = decode_bfind;
  table["bfe"] = [](Decoding& d) {
    d.instruction.run = for_integer(d.type(), []<class T>(T) -> Handler { return extract_field<T>; });
  };
  table["bfi"] = [](Decoding& d) {
    d.instruction.run = for_bits(d.type(), []<class T>(T) -> Handler { return insert_field<T>; });
  };
  table["prmt"] = decode_prmt;
  table["shf"] = decode_shf;
  table["lop3"] = [](Decoding& d) { d.instruction.run = logic3; };
}

}  // namespace tweedie::ptx
