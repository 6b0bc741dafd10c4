// Arithmetic on one 16-bit floating-point number or a pair, shared by half.cpp and the atomics.
#pragma once

#include <cmath>

#include "tests/machine/ptx/program.hpp"

namespace tweedie::ptx {

enum class HalfOperation { add, sub, mul, fma, min, max, neg, abs, ex2, tanh };

/// x + y rounded to odd: what is lost sticks to the last bit, so that rounding again, to 16 bits, rounds the
/// exact sum (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
inline double odd_sum(double x, double y) {
  const double sum = x + y, from_y = sum - x, lost = (x - (sum - from_y)) + (y - from_y);
  if (lost == 0 || !std::isfinite(sum) || (bits_as<std::uint64_t>(sum) & 1)) return sum;
  return std::nextafter(sum, lost > 0 ? HUGE_VAL : -HUGE_VAL);
}

inline double half_extremum(const Instruction& i, double x, double y, bool least) {
  if (std::isnan(x) || std::isnan(y))
    return i.mode || (std::isnan(x) && std::isnan(y)) ? NAN : std::isnan(x) ? y : x;
  if (x == y) return std::signbit(x) == least ? x : y;
  return (x < y) == least ? x : y;
}

template <class H, HalfOperation operation>
inline H half_result(const Instruction& i, H a, H b, H c) {
  if constexpr (operation == HalfOperation::neg) return {std::uint16_t(a.bits ^ 0x8000)};
  if constexpr (operation == HalfOperation::abs) return {std::uint16_t(a.bits & 0x7fff)};
  const double x = to_float(a), y = to_float(b), z = to_float(c);
  double r = 0;
  switch (operation) {
    case HalfOperation::add:
      r = odd_sum(x, y);
      break;
    case HalfOperation::sub:
      r = odd_sum(x, -y);
      break;
    case HalfOperation::mul:
      r = x * y;
      break;  // exact
    case HalfOperation::fma:
      r = odd_sum(x * y, z);
      break;
    case HalfOperation::min:
      r = half_extremum(i, x, y, true);
      break;
    case HalfOperation::max:
      r = half_extremum(i, x, y, false);
      break;
    case HalfOperation::ex2:
      r = std::exp2(x);
      break;
    case HalfOperation::tanh:
      r = std::tanh(x);
      break;
    default:
      break;
  }
  if (i.saturate) r = r > 0 ? (r < 1 ? r : 1) : 0;
  if (i.relu && !(r > 0)) r = std::isnan(r) ? r : 0;
  return to_half<H>(to_odd_float(r));
}

template <class H, HalfOperation operation>
inline std::uint32_t half_pair_result(const Instruction& i, std::uint32_t a, std::uint32_t b,
                                      std::uint32_t c) {
  const auto half = [&](unsigned k) {
    const auto part = [&](std::uint32_t x) { return H{std::uint16_t(x >> 16 * k)}; };
    return std::uint32_t(half_result<H, operation>(i, part(a), part(b), part(c)).bits) << 16 * k;
  };
  return half(0) | half(1);
}

}  // namespace tweedie::ptx
