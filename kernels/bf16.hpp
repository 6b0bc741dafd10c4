// bfloat16 numbers, for both compilers.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/both.hpp"

namespace tweedie {

/// bfloat16: a float's sign, exponent and first seven bits of mantissa. Made by rounding to nearest, ties to
/// even; NaN stays NaN.
struct bf16 {
  std::uint16_t bits = 0;

  bf16() = default;
  TWEEDIE_BOTH static bf16 rounded(float x) {
    const std::uint32_t u = bits_of(x);
    const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
    bf16 y;
    y.bits = std::uint16_t(nan ? u >> 16 | 0x40u : (u + 0x7fffu + (u >> 16 & 1u)) >> 16);
    return y;
  }
  TWEEDIE_BOTH operator float() const { return from_bits(std::uint32_t(bits) << 16); }
};

/// x as a T: itself, or rounded.
template <class T>
TWEEDIE_BOTH T stored(float x) {
  if constexpr (std::is_same_v<T, bf16>)
    return bf16::rounded(x);
  else
    return x;
}

}  // namespace tweedie
