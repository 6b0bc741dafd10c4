// The operations of atom, red and redux.
#pragma once

#include <algorithm>
#include <optional>
#include <type_traits>

#include "tests/machine/ptx/decode.hpp"

namespace tweedie::ptx {

enum class Reduction : std::uint8_t {
  add,
  min,
  max,
  increment,
  decrement,
  exchange,
  compare_and_swap,
  conjunction,
  disjunction,
  exclusive
};

std::optional<Reduction> reduction_named(const Opcode& opcode);

/// What an operation makes of the old value a with b (and c: the new value of compare_and_swap).
template <class T>
T reduced(Reduction operation, T a, T b, T c) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    switch (operation) {
      case Reduction::add:
        return T(U(U(a) + U(b)));
      case Reduction::increment:
        return U(a) >= U(b) ? T(0) : T(U(a) + 1);
      case Reduction::decrement:
        return a == 0 || U(a) > U(b) ? b : T(U(a) - 1);
      case Reduction::conjunction:
        return T(a & b);
      case Reduction::disjunction:
        return T(a | b);
      case Reduction::exclusive:
        return T(a ^ b);
      default:
        break;
    }
  }
  switch (operation) {
    case Reduction::add:
      return a + b;
    case Reduction::min:
      return std::min(a, b);
    case Reduction::max:
      return std::max(a, b);
    case Reduction::exchange:
      return b;
    case Reduction::compare_and_swap:
      return a == b ? c : a;
    default:
      return a;
  }
}

}  // namespace tweedie::ptx
