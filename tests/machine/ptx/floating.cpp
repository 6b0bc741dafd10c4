// 32- and 64-bit floating point, rounded to nearest; directed rounding is in rounded.cpp.
#include <cfenv>
#include <cmath>
#include <limits>

#include "tests/machine/ptx/decode.hpp"
#include "tests/machine/ptx/rounded.hpp"
#include "tests/machine/ptx/warp.hpp"

namespace tweedie::ptx {
namespace {

// The usual case: to nearest, subnormals kept, not saturated.
struct Add {
  template <class T>
  static T of(const Instruction&, T a, T b) {
    return a + b;
  }
};
struct Sub {
  template <class T>
  static T of(const Instruction&, T a, T b) {
    return a - b;
  }
};
struct Mul {
  template <class T>
  static T of(const Instruction&, T a, T b) {
    return a * b;
  }
};
struct Div {
  template <class T>
  static T of(const Instruction&, T a, T b) {
    return a / b;
  }
};
struct Fma {
  template <class T>
  static T of(const Instruction&, T a, T b, T c) {
    return std::fma(a, b, c);
  }
};

/// The same with .ftz and .sat.
template <class Op>
struct Modified {
  template <class T>
  static T of(const Instruction& i, T a) {
    return finish(i, Op::of(i, flushed(i, a)));
  }
  template <class T>
  static T of(const Instruction& i, T a, T b) {
    return finish(i, Op::of(i, flushed(i, a), flushed(i, b)));
  }
  template <class T>
  static T of(const Instruction& i, T a, T b, T c) {
    return finish(i, Op::of(i, flushed(i, a), flushed(i, b), flushed(i, c)));
  }
};

// NaN loses against a number (mode: it wins, .NaN); -0 is less than +0.
struct Min {
  template <class T>
  static T of(const Instruction& i, T a, T b) {
    if (std::isnan(a) || std::isnan(b)) return nan_case(i, a, b);
    if (a == b) return std::signbit(a) ? a : b;
    return a < b ? a : b;
  }
  template <class T>
  static T nan_case(const Instruction& i, T a, T b) {
    if (i.mode || (std::isnan(a) && std::isnan(b))) return canonical_nan<T>();
    return std::isnan(a) ? b : a;
  }
};
struct Max {
  template <class T>
  static T of(const Instruction& i, T a, T b) {
    if (std::isnan(a) || std::isnan(b)) return Min::nan_case(i, a, b);
    if (a == b) return std::signbit(a) ? b : a;
    return a > b ? a : b;
  }
};
struct Neg {
  template <class T>
  static T of(const Instruction&, T a) {
    return -a;
  }
};
struct Abs {
  template <class T>
  static T of(const Instruction&, T a) {
    return std::fabs(a);
  }
};
struct CopySign {  // the sign of a on the magnitude of b
  template <class T>
  static T of(const Instruction&, T a, T b) {
    return std::copysign(b, a);
  }
};
struct Sqrt {
  template <class T>
  static T of(const Instruction&, T a) {
    return std::sqrt(a);
  }
};

// The approximations are computed to the last bit or nearly: closer to the truth than a GPU, whose error in
// single precision is up to about 2 ulp (1e-6 relative is safe to allow). The 64-bit ones with .ftz give the
// upper 32 bits only; rsqrt.approx.f64 is as good as full precision.
template <class T>
T approximate(const Instruction& i, double exact) {
  if (sizeof(T) == 8 && i.flush)
    exact = bits_as<double>(bits_as<std::uint64_t>(exact) & 0xffff'ffff'0000'0000);
  return T(exact);
}
struct Rcp {
  template <class T>
  static T of(const Instruction& i, T a) {
    return sizeof(T) == 8 ? approximate<T>(i, 1.0 / double(a)) : T(1) / a;
  }
};
struct Rsqrt {
  template <class T>
  static T of(const Instruction& i, T a) {
    return approximate<T>(i, 1.0 / std::sqrt(double(a)));
  }
};
struct Exp2 {
  static float of(const Instruction&, float a) { return std::exp2(a); }
};
struct Log2 {
  static float of(const Instruction&, float a) { return std::log2(a); }
};
struct Sin {
  static float of(const Instruction&, float a) { return std::sin(a); }
};
struct Cos {
  static float of(const Instruction&, float a) { return std::cos(a); }
};
struct Tanh {
  static float of(const Instruction&, float a) { return std::tanh(a); }
};

enum class Property : std::uint8_t { finite, infinite, number, not_a_number, normal, subnormal };

template <class T>
void test_property(Warp& w, const Instruction& i, Mask m) {
  const auto d = sink<std::uint32_t>(w, i.d);
  const auto a = source<T>(w, i.a);
  for_lanes(m, [&](unsigned l) {
    const int kind = std::fpclassify(a[l]);
    bool holds = false;
    switch (Property(i.mode)) {
      case Property::finite:
        holds = kind != FP_INFINITE && kind != FP_NAN;
        break;
      case Property::infinite:
        holds = kind == FP_INFINITE;
        break;
      case Property::number:
        holds = kind != FP_NAN;
        break;
      case Property::not_a_number:
        holds = kind == FP_NAN;
        break;
      case Property::normal:
        holds = kind == FP_NORMAL;
        break;
      case Property::subnormal:
        holds = kind == FP_SUBNORMAL;
        break;
    }
    d.set(l, holds);
  });
}

// ---- decoders ------------------------------------------------------------------------------------------

bool plain(const Instruction& i) { return !i.flush && !i.saturate; }
bool directed(const Instruction& i) { return i.rounding != FE_TONEAREST; }

template <class Op>
void decode_binary(Decoding& d) {
  Instruction& i = d.instruction;
  if (directed(i))
    i.run = rounded_handler(d.type(), d.opcode.base());
  else
    i.run = for_float(d.type(), [&]<class T>(T) -> Handler {
      return plain(i) ? binary<T, T, T, Op> : binary<T, T, T, Modified<Op>>;
    });
}

void decode_fma(Decoding& d) {
  Instruction& i = d.instruction;
  if (directed(i))
    i.run = rounded_handler(d.type(), "fma");
  else
    i.run = for_float(d.type(), [&]<class T>(T) -> Handler {
      return plain(i) ? ternary<T, T, T, Fma> : ternary<T, T, T, Modified<Fma>>;
    });
}

template <class Op>
void decode_unary(Decoding& d) {
  Instruction& i = d.instruction;
  if (directed(i))
    i.run = rounded_handler(d.type(), d.opcode.base());
  else
    i.run = for_float(d.type(), [&]<class T>(T) -> Handler {
      return plain(i) ? unary<T, T, Op> : unary<T, T, Modified<Op>>;
    });
}

template <class Op>
void decode_single(Decoding& d) {
  if (d.type() == Type::f32) d.instruction.run = unary<float, float, Modified<Op>>;
}

template <class Op>
void decode_extremum(Decoding& d) {
  if (d.operands.size() != 3) return;  // the three-argument form is not here
  d.instruction.mode = d.opcode.has("NaN");
  if (d.opcode.has("xorsign")) return;
  d.instruction.run =
      for_float(d.type(), []<class T>(T) -> Handler { return binary<T, T, T, Modified<Op>>; });
}

void decode_testp(Decoding& d) {
  static constexpr const char* names[] = {"finite",     "infinite", "number",
                                          "notanumber", "normal",   "subnormal"};
  for (unsigned k = 0; k < std::size(names); ++k)
    if (d.opcode.has(names[k])) d.instruction.mode = std::uint8_t(k);
  d.instruction.run = for_float(d.type(), []<class T>(T) -> Handler { return test_property<T>; });
}

}  // namespace

void add_float_decoders(DecoderTables& tables) {
  DecoderTable& table = tables.floating;
  table["add"] = decode_binary<Add>;
  table["sub"] = decode_binary<Sub>;
  table["mul"] = decode_binary<Mul>;
  table["div"] = decode_binary<Div>;
  table["fma"] = table["mad"] = decode_fma;
  table["min"] = decode_extremum<Min>;
  table["max"] = decode_extremum<Max>;
  table["neg"] = decode_unary<Neg>;
  table["abs"] = decode_unary<Abs>;
  table["sqrt"] = decode_unary<Sqrt>;
  table["rcp"] = decode_unary<Rcp>;
  table["rsqrt"] = decode_unary<Rsqrt>;
  table["ex2"] = decode_single<Exp2>;
  table["lg2"] = decode_single<Log2>;
  table["sin"] = decode_single<Sin>;
  table["cos"] = decode_single<Cos>;
  table["tanh"] = decode_single<Tanh>;
  table["copysign"] = [](Decoding& d) {
    d.instruction.run = for_float(d.type(), []<class T>(T) -> Handler { return binary<T, T, T, CopySign>; });
  };
  table["testp"] = decode_testp;
}

}  // namespace tweedie::ptx
