// Pieces of floating-point arithmetic that several families share.
#pragma once

#include <cfenv>
#include <cmath>
#include <limits>
#include <string_view>

#include "tests/machine/ptx/program.hpp"

namespace tweedie::ptx {

/// A subnormal becomes a zero of the same sign when the instruction says .ftz.
template <class T>
inline T flushed(const Instruction& i, T x) {
  if constexpr (sizeof(T) == 4)
    if (i.flush && std::fabs(x) < std::numeric_limits<T>::min()) return std::copysign(T(0), x);
  return x;
}

/// .ftz and .sat on a result; a saturated NaN is 0.
template <class T>
inline T finish(const Instruction& i, T x) {
  x = flushed(i, x);
  if (i.saturate) x = x > 0 ? (x < 1 ? x : T(1)) : T(0);
  return x;
}

/// The NaN a GPU gives for a result that is none of its inputs.
template <class T>
inline T canonical_nan() {
  if constexpr (sizeof(T) == 4)
    return bits_as<T>(std::uint32_t(0x7fffffff));
  else
    return bits_as<T>(std::uint64_t(0xfff8000000000000));
}

/// The host's rounding direction while one lives.
class RoundingDirection {
 public:
  explicit RoundingDirection(int direction) : before_(std::fegetround()) {
    if (direction != before_) std::fesetround(direction);
  }
  ~RoundingDirection() { std::fesetround(before_); }
  RoundingDirection(const RoundingDirection&) = delete;
  RoundingDirection& operator=(const RoundingDirection&) = delete;

 private:
  int before_;
};

/// x rounded to an integral value in a FE_ direction; to nearest: ties to even.
inline double to_integral(int direction, double x) {
  switch (direction) {
    case FE_TOWARDZERO:
      return std::trunc(x);
    case FE_DOWNWARD:
      return std::floor(x);
    case FE_UPWARD:
      return std::ceil(x);
    default:
      return std::nearbyint(x);
  }
}

/// A handler for add, sub, mul, div, fma, rcp or sqrt in the instruction's own rounding direction; nullptr
/// for other operations.
Handler rounded_handler(Type type, std::string_view operation);

}  // namespace tweedie::ptx
