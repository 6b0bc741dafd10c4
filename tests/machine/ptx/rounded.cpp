// Directed rounding: the host's own arithmetic with its rounding direction changed. Compiled with
// -frounding-math; operands and results pass through volatile so that no operation moves across the change.
#include "tests/machine/ptx/rounded.hpp"

#include "tests/machine/ptx/warp.hpp"

namespace tweedie::ptx {
namespace {

struct Add {
  template <class T>
  static T of(T a, T b, T) {
    return a + b;
  }
};
struct Sub {
  template <class T>
  static T of(T a, T b, T) {
    return a - b;
  }
};
struct Mul {
  template <class T>
  static T of(T a, T b, T) {
    return a * b;
  }
};
struct Div {
  template <class T>
  static T of(T a, T b, T) {
    return a / b;
  }
};
struct Fma {
  template <class T>
  static T of(T a, T b, T c) {
    return std::fma(a, b, c);
  }
};
struct Rcp {
  template <class T>
  static T of(T a, T, T) {
    return T(1) / a;
  }
};
struct Sqrt {
  template <class T>
  static T of(T a, T, T) {
    return std::sqrt(a);
  }
};

template <class T, class Op>
void rounded(Warp& w, const Instruction& i, Mask m) {
  const RoundingDirection direction(i.rounding);
  const auto d = sink<T>(w, i.d);
  const auto a = source<T>(w, i.a);
  const auto b = i.b ? source<T>(w, i.b) : a, c = i.c ? source<T>(w, i.c) : a;
  each_lane(m, [&](unsigned l) {
    volatile T x = flushed(i, a[l]), y = flushed(i, b[l]), z = flushed(i, c[l]);
    volatile T r = Op::template of<T>(x, y, z);
    d.set(l, finish(i, T(r)));
  });
}

template <class Op>
Handler of_type(Type t) {
  if (t == Type::f32) return rounded<float, Op>;
  if (t == Type::f64) return rounded<double, Op>;
  return nullptr;
}

}  // namespace

Handler rounded_handler(Type type, std::string_view operation) {
  if (operation == "add") return of_type<Add>(type);
  if (operation == "sub") return of_type<Sub>(type);
  if (operation == "mul") return of_type<Mul>(type);
  if (operation == "div") return of_type<Div>(type);
  if (operation == "fma") return of_type<Fma>(type);
  if (operation == "rcp") return of_type<Rcp>(type);
  if (operation == "sqrt") return of_type<Sqrt>(type);
  return nullptr;
}

}  // namespace tweedie::ptx
