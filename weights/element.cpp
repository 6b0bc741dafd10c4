#include "weights/element.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/bf16.hpp"
#include "kernels/error.hpp"

namespace tweedie {

static_assert(std::endian::native == std::endian::little, "files are decoded in place as little-endian");

std::string_view element_name(Element element) {
  switch (element) {
    case Element::f32:
      return "f32";
    case Element::f16:
      return "f16";
    case Element::bf16:
      return "bf16";
    case Element::f64:
      return "f64";
    case Element::other:
      break;
  }
  return "other";
}

float float_from_half(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1FU;
  const std::uint32_t mantissa = bits & 0x3FFU;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000U | (mantissa << 13));
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24, exact in float32
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112U) << 23) | (mantissa << 13));  // 112 = 127 - 15
}

std::uint16_t half_from_float(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return static_cast<std::uint16_t>(sign | 0x7E00U);  // NaN
  // 65520 lies halfway between the largest half (65504) and 2^16: it and all above round to infinity.
  if (magnitude >= 0x477FF000U) return static_cast<std::uint16_t>(sign | 0x7C00U);
  if (magnitude < 0x38800000U) {  // below 2^-14: a subnormal half, in units of 2^-24
    // Adding 0.5 aligns the value so that the float32 adder itself rounds to a multiple of 2^-24, ties to
    // even.
    const float aligned = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(aligned) - 0x3F000000U));
  }
  const std::uint32_t odd = (magnitude >> 13) & 1U;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000U + 0xFFFU + odd) >> 13));
}

float float_from_bfloat16(std::uint16_t bits) {
  bf16 value;
  value.bits = bits;
  return value;
}

std::uint16_t bfloat16_from_float(float value) { return bf16::rounded(value).bits; }

namespace {

template <class Stored, class Convert>
void decode_each(std::span<float> out, std::span<const std::byte> bytes, Convert convert) {
  require(bytes.size() == out.size() * sizeof(Stored), "decode_elements: got ", bytes.size(), " bytes for ",
          out.size(), " elements of ", sizeof(Stored));
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    out[i] = convert(stored);
  }
}

}  // namespace

void decode_elements(std::span<float> out, std::span<const std::byte> bytes, Element element) {
  switch (element) {
    case Element::f32:
      return decode_each<float>(out, bytes, [](float v) { return v; });
    case Element::f64:
      return decode_each<double>(out, bytes, [](double v) { return static_cast<float>(v); });
    case Element::f16:
      return decode_each<std::uint16_t>(out, bytes, float_from_half);
    case Element::bf16:
      return decode_each<std::uint16_t>(out, bytes, float_from_bfloat16);
    case Element::other:
      break;
  }
  throw Error("decode_elements: not a floating-point type that weights may have");
}

std::vector<std::uint16_t> encode_sixteen_bits(std::span<const float> values, Element stored,
                                               const std::string& what) {
  constexpr double most_loss = 0.01;
  double lost = 0, whole = 0;
  std::vector<std::uint16_t> bits(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    bits[i] = stored == Element::f16 ? half_from_float(values[i]) : bfloat16_from_float(values[i]);
    const float back = stored == Element::f16 ? float_from_half(bits[i]) : float_from_bfloat16(bits[i]);
    require(std::isfinite(back), what, " has the value ", values[i], " at element ", i, ", too large for ",
            element_name(stored));
    lost += (double(values[i]) - back) * (double(values[i]) - back);
    whole += double(values[i]) * values[i];
  }
  // Rounding takes at most 2^-9 of a number; more is lost only where numbers are too small for the type.
  require(lost <= most_loss * most_loss * whole, what, " loses ", 100 * std::sqrt(lost / whole),
          " % of its norm as ", element_name(stored), ": its values are too small; store it as ",
          stored == Element::f16 ? "bf16 or f32" : "f32");
  return bits;
}

void require_finite(std::span<const float> values, const std::string& what) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      throw Error(message(what, " has the value ", values[i], " at element ", i));
}

}  // namespace tweedie
