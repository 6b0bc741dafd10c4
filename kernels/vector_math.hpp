// exp and sigmoid for the CPU bodies, written so that the compiler turns a loop over them into vector code
// (`#pragma omp simd`): no branches, no tables, no library calls.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace tweedie {

/// a b + c, fused where the instruction set has it (elsewhere std::fma would be a library call per element).
[[gnu::always_inline]] inline float multiply_add(float a, float b, float c) {
#ifdef __FMA__
  return std::fma(a, b, c);
#else
  return a * b + c;
#endif
}

/// exp(x) within 2 ulp; overflows to infinity and underflows gradually to 0 like std::exp; NaN stays NaN.
/// x = n ln 2 + r with |r| <= ln 2 / 2 (Cody & Waite 1980, ln 2 in two parts so that n times the first is
/// exact), exp(r) = 1 + r + r^2 q(r) with q of degree 4 fitted for the least maximal relative error, 4.4e-9.
[[gnu::always_inline]] inline float fast_exp(float x) {
  // Beyond these bounds the result is 0 or infinity anyway; n must stay within two exponents' range.
  x = x > 89.0f ? 89.0f : x;
  x = x < -104.0f ? -104.0f : x;
  constexpr float round = 0x1.8p23f;  // adding it leaves the nearest integer in the low mantissa bits
  const float shifted = multiply_add(x, 0x1.715476p0f, round);
  const float n = shifted - round;
  const float r = multiply_add(n, -0x1.7f7d1cp-20f, multiply_add(n, -0x1.62e4p-1f, x));
  float q = 0x1.6a2352p-10f;
  q = multiply_add(q, r, 0x1.123a6cp-7f);
  q = multiply_add(q, r, 0x1.5558f4p-5f);
  q = multiply_add(q, r, 0x1.555490p-3f);
  q = multiply_add(q, r, 0x1.fffffcp-2f);
  const float e = multiply_add(q * r, r, r) + 1.0f;
  // 2^n in two factors: n reaches -150 and 128, a float's exponent only -126 and 127.
  const std::int32_t whole = std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(round);
  const std::int32_t half = whole >> 1;
  const float low = std::bit_cast<float>((half + 127) << 23);
  const float high = std::bit_cast<float>((whole - half + 127) << 23);
  return e * low * high;
}

/// 1 / (1 + exp(-x)) within 4 ulp; NaN stays NaN.
[[gnu::always_inline]] inline float sigmoid(float x) { return 1.0f / (1.0f + fast_exp(-x)); }

}  // namespace tweedie
