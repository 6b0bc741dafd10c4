// Conversions of stored elements against arithmetic in double.
#include "weights/element.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "tests/weights/crafted.hpp"

using namespace tweedie;

namespace {

// The value of binary16 bits, by the definition.
double half_value(unsigned bits) {
  const double sign = (bits & 0x8000U) != 0 ? -1 : 1;
  const int exponent = static_cast<int>((bits >> 10) & 31U);
  const int mantissa = static_cast<int>(bits & 1023U);
  return sign * (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
}

// The nearest finite half by search, ties to the even mantissa.
unsigned nearest_half(double value) {
  unsigned best = 0;
  for (unsigned bits = 0; bits < 0x7C00U; ++bits) {
    const double distance = std::abs(half_value(bits) - std::abs(value));
    const double shortest = std::abs(half_value(best) - std::abs(value));
    if (distance < shortest || (distance == shortest && bits % 2 == 0)) best = bits;
  }
  return best | (std::signbit(value) ? 0x8000U : 0U);
}

}  // namespace

TEST_CASE("every half decodes to its value and encodes back to itself") {
  for (unsigned bits = 0; bits < 0x10000U; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = float_from_half(half);
    if ((bits & 0x7C00U) == 0x7C00U) {
      CHECK(std::isinf(value) == ((bits & 0x3FFU) == 0));
      if (std::isinf(value)) CHECK(half_from_float(value) == half);
    } else {
      REQUIRE(static_cast<double>(value) == half_value(bits));
      REQUIRE(half_from_float(value) == half);
    }
  }
}

TEST_CASE("floats round to the nearest half, ties to even") {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> exponent(-27, 15.9F);
  for (int i = 0; i < 300; ++i) {
    const float value = (i % 2 == 0 ? 1.0F : -1.0F) * std::exp2(exponent(random));
    CAPTURE(value);
    REQUIRE(half_from_float(value) == nearest_half(value));
  }
  for (const float tie : {1.00048828125F, 1.00146484375F, 0x1p-25F, 0x1.8p-24F, 0x1p-26F, 65519.99F}) {
    CAPTURE(tie);
    CHECK(half_from_float(tie) == nearest_half(tie));
  }
  CHECK(half_from_float(65520.0F) == 0x7C00);  // halfway to 2^16
  CHECK(half_from_float(-1e10F) == 0xFC00);
  CHECK(std::isnan(float_from_half(half_from_float(std::nanf("")))));
}

TEST_CASE("bfloat16 keeps the upper half of a float, rounded to nearest even") {
  for (unsigned bits = 0; bits < 0x10000U; ++bits) {
    const float value = float_from_bfloat16(static_cast<std::uint16_t>(bits));
    CHECK(std::bit_cast<std::uint32_t>(value) == bits << 16);
    if (!std::isnan(value)) REQUIRE(bfloat16_from_float(value) == bits);
  }
  CHECK(bfloat16_from_float(1.00390625F) == 0x3F80);  // 1 + 2^-8: a tie, to even
  CHECK(bfloat16_from_float(1.01171875F) == 0x3F82);  // 1 + 3 * 2^-8: a tie, to even
  CHECK(bfloat16_from_float(1.0040F) == 0x3F81);
  CHECK(bfloat16_from_float(3.4e38F) == 0x7F80);
  CHECK(std::isnan(float_from_bfloat16(bfloat16_from_float(std::nanf("")))));
}

TEST_CASE("require_finite names the first offender") {
  const std::vector<float> values = {1, 2, std::numeric_limits<float>::infinity(), std::nanf("")};
  test::check_says(test::error_of([&] { require_finite(values, "w"); }), "w has the value inf at element 2");
  CHECK(test::error_of([&] { require_finite({values.data(), 2}, "w"); }).empty());
}
