// The types of PTX, and 16-bit floating point on the host.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace tweedie::ptx {

enum class Type : std::uint8_t {
  none,
  u8,
  s8,
  b8,
  u16,
  s16,
  b16,
  u32,
  s32,
  b32,
  u64,
  s64,
  b64,
  f16,
  bf16,
  f32,
  f64,
  f16x2,
  bf16x2,
  pred,
  b128
};

/// "u32" -> Type::u32; nothing for any other word.
std::optional<Type> type_named(std::string_view name);

constexpr unsigned size_of(Type t) {
  switch (t) {
    case Type::u8:
    case Type::s8:
    case Type::b8:
      return 1;
    case Type::u16:
    case Type::s16:
    case Type::b16:
    case Type::f16:
    case Type::bf16:
      return 2;
    case Type::u64:
    case Type::s64:
    case Type::b64:
    case Type::f64:
      return 8;
    case Type::b128:
      return 16;
    default:
      return 4;  // a predicate is kept in 32 bits
  }
}

constexpr bool is_integer(Type t) { return t >= Type::u8 && t <= Type::b64; }
constexpr bool is_signed(Type t) {
  return t == Type::s8 || t == Type::s16 || t == Type::s32 || t == Type::s64;
}
constexpr bool is_float(Type t) { return t == Type::f32 || t == Type::f64; }
constexpr bool is_half(Type t) {
  return t == Type::f16 || t == Type::bf16 || t == Type::f16x2 || t == Type::bf16x2;
}

template <class To, class From>
inline To bits_as(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &value, sizeof to);
  return to;
}

struct Bf16 {
  std::uint16_t bits;
};
struct F16 {
  std::uint16_t bits;
};

inline float to_float(Bf16 h) { return bits_as<float>(std::uint32_t(h.bits) << 16); }
inline float to_float(F16 h) { return float(bits_as<_Float16>(h.bits)); }

/// Rounds to nearest even; NaN becomes the canonical 0x7fff, as on the GPU.
template <class Half>
Half to_half(float f);

template <>
inline F16 to_half<F16>(float f) {
  if (std::isnan(f)) return {0x7fff};
  return {bits_as<std::uint16_t>(_Float16(f))};
}

template <>
inline Bf16 to_half<Bf16>(float f) {
  if (std::isnan(f)) return {0x7fff};
  const auto u = bits_as<std::uint32_t>(f);
  return {std::uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16)};
}

inline Bf16 to_bf16_towards_zero(float f) {
  if (std::isnan(f)) return {0x7fff};
  return {std::uint16_t(bits_as<std::uint32_t>(f) >> 16)};
}

/// Rounds to odd, so that a second rounding to 16 bits gives what one rounding of the double would.
inline float to_odd_float(double d) {
  const float f = float(d);
  if (std::isnan(f) || std::isinf(f) || double(f) == d) return f;
  const auto u = bits_as<std::uint32_t>(f);
  if (u & 1) return f;
  const bool away_from_zero = std::fabs(double(f)) > std::fabs(d);
  return bits_as<float>(away_from_zero ? u - 1 : u + 1);
}

}  // namespace tweedie::ptx
