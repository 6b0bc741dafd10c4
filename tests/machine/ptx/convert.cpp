// cvt: between all integer and floating-point types.
#include <cfenv>
#include <cmath>
#include <limits>

#include "tests/machine/ptx/decode.hpp"
#include "tests/machine/ptx/rounded.hpp"
#include "tests/machine/ptx/warp.hpp"

namespace tweedie::ptx {
namespace {

__extension__ using Int128 = __int128;

// ---- integer to integer ---------------------------------------------------------------------------------

template <class D, class S>
void integer_to_integer(Warp& w, const Instruction& i, Mask m) {
  const auto a = any_source<S>(w, i.a);
  if (!i.saturate && sizeof(D) >= 4 && i.d.slot == slot_of<D>) {
    const auto d = sink<D>(w, i.d);
    for_lanes(m, [&](unsigned l) { d.set(l, D(a[l])); });
    return;
  }
  const auto d = any_sink<D>(w, i.d);
  for_lanes(m, [&](unsigned l) {
    Int128 v = a[l];
    if (i.saturate) {
      v = std::max<Int128>(v, std::numeric_limits<D>::min());
      v = std::min<Int128>(v, std::numeric_limits<D>::max());
    }
    d.set(l, D(v));
  });
}

// ---- integer to floating point --------------------------------------------------------------------------

template <class D, class S>
void integer_to_float(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<D>(w, i.d);
  const auto a = any_source<S>(w, i.a);
  if (i.rounding == FE_TONEAREST) {
    for_lanes(m, [&](unsigned l) { d.set(l, finish(i, D(a[l]))); });
    return;
  }
  const RoundingDirection direction(i.rounding);
  each_lane(m, [&](unsigned l) {
    volatile S x = a[l];
    volatile D y = D(x);
    d.set(l, finish(i, D(y)));
  });
}

// ---- floating point to integer --------------------------------------------------------------------------

template <class S>
double widen(const Instruction& i, S x) {
  if constexpr (std::is_same_v<S, float>)
    return flushed(i, x);
  else if constexpr (std::is_same_v<S, double>)
    return x;
  else
    return to_float(x);
}

// Out of range: the nearest representable. NaN: 0, or the top bit alone when either side has 64 bits.
template <class D, class S>
void float_to_integer(Warp& w, const Instruction& i, Mask m) {
  constexpr bool wide = sizeof(D) == 8 || sizeof(S) == 8;
  constexpr D nan = wide ? D(std::uint64_t(1) << (8 * sizeof(D) - 1)) : D(0);
  const double low = double(std::numeric_limits<D>::min());
  const double beyond = std::ldexp(1.0, 8 * int(sizeof(D)) - (std::is_signed_v<D> ? 1 : 0));
  const auto d = any_sink<D>(w, i.d);
  const auto a = source<S>(w, i.a);
  for_lanes(m, [&](unsigned l) {
    const double v = to_integral(i.integral, widen(i, a[l]));
    D r = nan;
    if (v <= low)
      r = std::numeric_limits<D>::min();
    else if (v >= beyond)
      r = std::numeric_limits<D>::max();
    else if (!std::isnan(v))
      r = D(v);
    d.set(l, r);
  });
}

// ---- to floating point of any size ----------------------------------------------------------------------

/// How a value of each floating-point type is made from a double that holds the source exactly.
template <class D>
D narrow(const Instruction& i, double x) {
  if constexpr (std::is_same_v<D, double>) {
    return x;
  } else if constexpr (std::is_same_v<D, float>) {
    if (i.rounding == FE_TONEAREST) return flushed(i, float(x));
    const RoundingDirection direction(i.rounding);
    volatile double y = x;
    volatile float f = float(y);
    return flushed(i, float(f));
  } else if constexpr (std::is_same_v<D, Bf16>) {
    return i.rounding == FE_TOWARDZERO ? to_bf16_towards_zero(float(x)) : to_half<Bf16>(to_odd_float(x));
  } else {
    return to_half<F16>(to_odd_float(x));
  }
}

template <class D, class S>
void float_to_float(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<D>(w, i.d);
  const auto a = source<S>(w, i.a);
  for_lanes(m, [&](unsigned l) {
    double x = widen(i, a[l]);
    if (i.integral >= 0) x = to_integral(i.integral, x);
    if (i.saturate) x = x > 0 ? (x < 1 ? x : 1) : 0;
    if (i.relu && x < 0) x = 0;
    d.set(l, narrow<D>(i, x));
  });
}

template <class D, class S>
void integer_to_half(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<D>(w, i.d);
  const auto a = any_source<S>(w, i.a);
  for_lanes(m, [&](unsigned l) { d.set(l, narrow<D>(i, double(a[l]))); });
}

// cvt.rn.bf16x2.f32 d, a, b: a becomes the upper half.
template <class H>
void pair_from_floats(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<std::uint32_t>(w, i.d);
  const auto a = source<float>(w, i.a), b = source<float>(w, i.b);
  const auto one = [&](float x) -> std::uint32_t {
    if (i.relu && x < 0) x = 0;
    if constexpr (std::is_same_v<H, Bf16>)
      if (i.rounding == FE_TOWARDZERO) return to_bf16_towards_zero(x).bits;
    return to_half<H>(x).bits;
  };
  for_lanes(m, [&](unsigned l) { d.set(l, one(a[l]) << 16 | one(b[l])); });
}

// ---- decoding -------------------------------------------------------------------------------------------

/// Calls f with a value of the host type that stands for the PTX type.
template <class F>
Handler for_any(Type t, F f) {
  switch (t) {
    case Type::u8:
    case Type::b8:
      return f(std::uint8_t());
    case Type::s8:
      return f(std::int8_t());
    case Type::f16:
      return f(F16());
    case Type::bf16:
      return f(Bf16());
    case Type::f32:
      return f(float());
    case Type::f64:
      return f(double());
    default:
      return for_integer(t, f);
  }
}

template <class T>
constexpr bool half_type = std::is_same_v<T, F16> || std::is_same_v<T, Bf16>;

template <class D, class S>
Handler conversion() {
  constexpr bool from_integer = std::is_integral_v<S>;
  if constexpr (std::is_integral_v<D>) {
    if constexpr (from_integer)
      return integer_to_integer<D, S>;
    else
      return float_to_integer<D, S>;
  } else if constexpr (half_type<D>) {
    if constexpr (from_integer)
      return integer_to_half<D, S>;
    else
      return float_to_float<D, S>;
  } else {
    if constexpr (from_integer)
      return integer_to_float<D, S>;
    else
      return float_to_float<D, S>;
  }
}

// Half types are rounded to nearest (bf16 from fp32 also towards zero); other directions are not here.
bool supported_rounding(const Instruction& i) {
  if (i.rounding == FE_TONEAREST) return true;
  if (i.type == Type::bf16 || i.type == Type::bf16x2)
    return i.rounding == FE_TOWARDZERO && i.type2 == Type::f32;
  return !is_half(i.type);
}

void decode_cvt(Decoding& d) {
  Instruction& i = d.instruction;
  if (d.opcode.types.size() != 2 || d.opcode.has("rna") || !supported_rounding(i)) return;
  if (is_half(i.type) && i.saturate && !is_half(i.type2) && i.type2 != Type::f32) return;
  if (d.operands.size() == 3) {
    if (i.type2 != Type::f32 || i.saturate) return;
    if (i.type == Type::bf16x2) i.run = pair_from_floats<Bf16>;
    if (i.type == Type::f16x2) i.run = pair_from_floats<F16>;
    return;
  }
  // A conversion to an integer without .rni and its kin takes the plain rounding modifier.
  if (is_integer(i.type) && !is_integer(i.type2) && i.integral < 0) i.integral = i.rounding;
  i.run = for_any(
      i.type, [&]<class D>(D) { return for_any(i.type2, []<class S>(S) { return conversion<D, S>(); }); });
}

}  // namespace

void add_convert_decoders(DecoderTables& tables) { tables.any["cvt"] = decode_cvt; }

}  // namespace tweedie::ptx
