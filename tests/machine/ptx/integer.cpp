// Integer arithmetic: add, sub, mul, mad, div, rem, min, max, abs, neg, and the carry chains addc, subc,
// madc.
#include <algorithm>
#include <limits>

#include "tests/machine/ptx/decode.hpp"
#include "tests/machine/ptx/warp.hpp"

namespace tweedie::ptx {
namespace {

__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;
template <class T>
using Unsigned = std::make_unsigned_t<T>;

// Arithmetic wraps: done in 64 unsigned bits and cut to size.
struct Add {
  template <class T>
  static T of(const Instruction&, T a, T b) {
    return T(std::uint64_t(a) + std::uint64_t(b));
  }
};
struct Sub {
  template <class T>
  static T of(const Instruction&, T a, T b) {
    return T(std::uint64_t(a) - std::uint64_t(b));
  }
};
struct Mul {
  template <class T>
  static T of(const Instruction&, T a, T b) {
    return T(std::uint64_t(a) * std::uint64_t(b));
  }
};
struct Mad {
  template <class T>
  static T of(const Instruction&, T a, T b, T c) {
    return T(std::uint64_t(a) * std::uint64_t(b) + std::uint64_t(c));
  }
};
struct Min {
  template <class T>
  static T of(const Instruction&, T a, T b) {
    return std::min(a, b);
  }
};
struct Max {
  template <class T>
  static T of(const Instruction&, T a, T b) {
    return std::max(a, b);
  }
};
struct AddSat {
  static std::int32_t clamp(std::int64_t v) {
    return std::int32_t(std::clamp<std::int64_t>(v, INT32_MIN, INT32_MAX));
  }
  static std::int32_t of(const Instruction&, std::int32_t a, std::int32_t b) {
    return clamp(std::int64_t(a) + b);
  }
};
struct SubSat {
  static std::int32_t of(const Instruction&, std::int32_t a, std::int32_t b) {
    return AddSat::clamp(std::int64_t(a) - b);
  }
};

template <class T>
T high_product(T a, T b) {
  if constexpr (sizeof(T) == 8 && std::is_signed_v<T>)
    return T((Int128(a) * b) >> 64);
  else if constexpr (sizeof(T) == 8)
    return T((UInt128(a) * b) >> 64);
  else if constexpr (std::is_signed_v<T>)
    return T((std::int64_t(a) * b) >> (8 * sizeof(T)));
  else
    return T((std::uint64_t(a) * b) >> (8 * sizeof(T)));
}
struct MulHi {
  template <class T>
  static T of(const Instruction&, T a, T b) {
    return high_product(a, b);
  }
};
struct MadHi {
  template <class T>
  static T of(const Instruction&, T a, T b, T c) {
    return T(std::uint64_t(high_product(a, b)) + std::uint64_t(c));
  }
};

// Division by zero is undefined in PTX; a GPU gives all ones, and the dividend as the remainder.
struct Div {
  template <class T>
  static T of(const Instruction&, T a, T b) {
    if (b == 0) return T(~T(0));
    if (std::is_signed_v<T> && b == T(-1)) return T(0 - std::uint64_t(a));
    return T(a / b);
  }
};
struct Rem {
  template <class T>
  static T of(const Instruction&, T a, T b) {
    if (b == 0) return a;
    if (std::is_signed_v<T> && b == T(-1)) return 0;
    return T(a % b);
  }
};
struct Neg {
  template <class T>
  static T of(const Instruction&, T a) {
    return T(0 - std::uint64_t(a));
  }
};
struct Abs {
  template <class T>
  static T of(const Instruction& i, T a) {
    return a < 0 ? Neg::of(i, a) : a;
  }
};

template <class T>
struct Widened;
template <>
struct Widened<std::int16_t> {
  using Wide = std::int32_t;
};
template <>
struct Widened<std::uint16_t> {
  using Wide = std::uint32_t;
};
template <>
struct Widened<std::int32_t> {
  using Wide = std::int64_t;
};
template <>
struct Widened<std::uint32_t> {
  using Wide = std::uint64_t;
};
template <class T>
using Wide = typename Widened<T>::Wide;

struct MulWide {
  template <class T>
  static Wide<T> of(const Instruction&, T a, T b) {
    return Wide<T>(Wide<T>(a) * Wide<T>(b));
  }
};
struct MadWide {
  template <class T>
  static Wide<T> of(const Instruction&, T a, T b, Wide<T> c) {
    return Wide<T>(std::uint64_t(Wide<T>(a) * Wide<T>(b)) + std::uint64_t(c));
  }
};

template <class Op>
Handler binary_of(Type t) {
  return for_integer(t, []<class T>(T) -> Handler { return binary<T, T, T, Op>; });
}

template <class Op>
Handler ternary_of(Type t) {
  return for_integer(t, []<class T>(T) -> Handler { return ternary<T, T, T, Op>; });
}

template <class F>
Handler for_narrow(Type t, F f) {
  switch (t) {
    case Type::u16:
      return f(std::uint16_t());
    case Type::s16:
      return f(std::int16_t());
    case Type::u32:
      return f(std::uint32_t());
    case Type::s32:
      return f(std::int32_t());
    default:
      return nullptr;
  }
}

// ---- carry chains: 32- and 64-bit; the sum of up to three terms, or a difference, and its carry ----------

enum class Chain : std::uint8_t { add, sub, mad_lo, mad_hi };

// mode: a Chain; combine: bit 0 adds the carry in, bit 1 writes the carry out.
template <class T>
void chain(Warp& w, const Instruction& i, Mask m) {
  using U = Unsigned<T>;
  const auto d = sink<T>(w, i.d);
  const auto a = source<T>(w, i.a), b = source<T>(w, i.b), c = source<T>(w, i.c);
  const bool carry_in = i.combine & 1, carry_out = i.combine & 2;
  each_lane(m, [&](unsigned l) {
    const UInt128 carry = carry_in ? (w.carry >> l) & 1 : 0;
    UInt128 sum = 0;
    switch (Chain(i.mode)) {
      case Chain::add:
        sum = UInt128(U(a[l])) + U(b[l]) + carry;
        break;
      case Chain::sub:
        sum = UInt128(U(a[l])) - U(b[l]) - carry;
        break;
      case Chain::mad_lo:
        sum = UInt128(U(std::uint64_t(a[l]) * std::uint64_t(b[l]))) + U(c[l]) + carry;
        break;
      case Chain::mad_hi:
        sum = UInt128(U(high_product(a[l], b[l]))) + U(c[l]) + carry;
        break;
    }
    d.set(l, T(U(sum)));
    if (!carry_out) return;
    const Mask out = Mask(sum >> (8 * sizeof(T))) & 1;  // of a difference: the borrow
    w.carry = (w.carry & ~(Mask(1) << l)) | (out << l);
  });
}

Handler chain_handler(Decoding& d, Chain kind, bool carry_in) {
  d.instruction.mode = std::uint8_t(kind);
  d.instruction.combine = std::uint8_t((carry_in ? 1 : 0) | (d.opcode.has("cc") ? 2 : 0));
  if (size_of(d.type()) < 4) return nullptr;
  return for_integer(d.type(), []<class T>(T) -> Handler {
    if constexpr (sizeof(T) >= 4) return chain<T>;
    return nullptr;
  });
}

// ---- decoders ------------------------------------------------------------------------------------------

template <class Op, class Saturating, Chain kind>
void add_or_sub(Decoding& d) {
  Handler& run = d.instruction.run;
  if (d.instruction.saturate)
    run = binary<std::int32_t, std::int32_t, std::int32_t, Saturating>;
  else if (d.opcode.has("cc"))
    run = chain_handler(d, kind, false);
  else
    run = binary_of<Op>(d.type());
}

void decode_mul(Decoding& d) {
  if (d.opcode.has("wide"))
    d.instruction.run =
        for_narrow(d.type(), []<class T>(T) -> Handler { return binary<Wide<T>, T, T, MulWide>; });
  else
    d.instruction.run = d.opcode.has("hi") ? binary_of<MulHi>(d.type()) : binary_of<Mul>(d.type());
}

void decode_mad(Decoding& d) {
  if (d.opcode.has("wide"))
    d.instruction.run =
        for_narrow(d.type(), []<class T>(T) -> Handler { return ternary<Wide<T>, T, Wide<T>, MadWide>; });
  else if (d.opcode.has("cc"))
    d.instruction.run = chain_handler(d, d.opcode.has("hi") ? Chain::mad_hi : Chain::mad_lo, false);
  else
    d.instruction.run = d.opcode.has("hi") ? ternary_of<MadHi>(d.type()) : ternary_of<Mad>(d.type());
}

}  // namespace

void add_integer_decoders(DecoderTables& tables) {
  DecoderTable& table = tables.integer;
  table["add"] = add_or_sub<Add, AddSat, Chain::add>;
  table["sub"] = add_or_sub<Sub, SubSat, Chain::sub>;
  table["addc"] = [](Decoding& d) { d.instruction.run = chain_handler(d, Chain::add, true); };
  table["subc"] = [](Decoding& d) { d.instruction.run = chain_handler(d, Chain::sub, true); };
  table["madc"] = [](Decoding& d) {
    d.instruction.run = chain_handler(d, d.opcode.has("hi") ? Chain::mad_hi : Chain::mad_lo, true);
  };
  table["mul"] = decode_mul;
  table["mad"] = decode_mad;
  table["div"] = [](Decoding& d) { d.instruction.run = binary_of<Div>(d.type()); };
  table["rem"] = [](Decoding& d) { d.instruction.run = binary_of<Rem>(d.type()); };
  table["min"] = [](Decoding& d) { d.instruction.run = binary_of<Min>(d.type()); };
  table["max"] = [](Decoding& d) { d.instruction.run = binary_of<Max>(d.type()); };
  table["neg"] = [](Decoding& d) {
    d.instruction.run = for_integer(d.type(), []<class T>(T) -> Handler { return unary<T, T, Neg>; });
  };
  table["abs"] = [](Decoding& d) {
    d.instruction.run = for_integer(d.type(), []<class T>(T) -> Handler { return unary<T, T, Abs>; });
  };
}

}  // namespace tweedie::ptx
