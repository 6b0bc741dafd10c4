// Element types of stored tensors, and their exact conversions to and from float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tweedie {

/// How one element of a stored tensor is encoded. `other` stands for every integer, boolean or exotic type:
/// such tensors can be listed and skipped, never read as weights.
enum class Element { f32, f16, bf16, f64, other };

/// Short name: "f32", "f16", "bf16", "f64" or "other".
std::string_view element_name(Element element);

/// The float encoded by IEEE binary16 bits; exact, keeps subnormals, infinities and NaN.
float float_from_half(std::uint16_t bits);

/// The IEEE binary16 nearest to a float, ties to even; overflow gives infinity.
std::uint16_t half_from_float(float value);

/// The float encoded by bfloat16 bits; exact.
float float_from_bfloat16(std::uint16_t bits);

/// The bfloat16 nearest to a float, ties to even; overflow gives infinity.
std::uint16_t bfloat16_from_float(float value);

/// Decodes out.size() little-endian elements of the given type; float64 is rounded to nearest.
/// `bytes` holds exactly out.size() elements; throws `Error` for `Element::other`.
void decode_elements(std::span<float> out, std::span<const std::byte> bytes, Element element);

/// The values as f16 or bf16, rounded to nearest, ties to even. Throws `Error` beginning with `what` when one
/// overflows the type, or when the values are so small that their norm loses more than 1 %.
std::vector<std::uint16_t> encode_sixteen_bits(std::span<const float> values, Element stored,
                                               const std::string& what);

/// Throws `Error` ("WHAT has the value nan at element 7") naming the first NaN or infinity, if any.
void require_finite(std::span<const float> values, const std::string& what);

}  // namespace tweedie
