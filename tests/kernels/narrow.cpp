#include "kernels/narrow.hpp"

#include <cmath>
#include <limits>

#include "kernels/concat.hpp"
#include "tests/kernels/stored.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

// Random mantissas in all exponents, and what rounding is easily wrong about: ties, the step to infinity,
// denormal numbers, zeros, infinities and NaN.
std::vector<float> awkward_values() {
  std::vector<float> values = random_values(4096, 3, -1, 1);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::ldexp(values[i], int(i % 250) - 140);
  for (const std::uint32_t bits :
       {0x3f808000u, 0x3f818000u, 0x3f808001u, 0x3f817fffu, 0x7f7fffffu, 0x7f7f7fffu, 0xff7fffffu,
        0x00000001u, 0x00008000u, 0x00018000u, 0x80008001u, 0x00000000u, 0x80000000u, 0x7f800000u,
        0xff800000u, 0x7f800001u, 0xffffffffu, 0x7fc00000u})
    values.push_back(from_bits(bits));
  return values;
}

}  // namespace

TEST_CASE("bf16 is the nearest, ties to even, and NaN stays NaN") {
  for (const float x : awkward_values()) {
    const float y = bf16::rounded(x);
    CAPTURE(bits_of(x));
    if (std::isnan(x)) {
      CHECK(std::isnan(y));
      continue;
    }
    // The neighbours that bf16 has on both sides of x, in double; past the largest number the next power of
    // two stands for infinity.
    const auto value = [](std::uint32_t upper) {
      const float v = from_bits(upper << 16);
      return std::isinf(v) ? std::copysign(0x1p128, double(v)) : double(v);
    };
    const std::uint32_t below = bits_of(x) >> 16;
    const double toward_zero = value(below), away = std::isinf(x) ? toward_zero : value(below + 1);
    const double to_zero = std::abs(double(x) - toward_zero), to_away = std::abs(away - double(x));
    const bool first = std::isinf(x) || to_zero < to_away || (to_zero == to_away && below % 2 == 0);
    CHECK(bits_of(y) == (first ? below : below + 1) << 16);
  }
}

TEST_CASE("narrow rounds every value, and a map of bf16 widens to the same") {
  const std::vector<float> values = awkward_values();
  for (const Device device : backends())
    for (const int shift : {0, 1}) {
      Queue q(device);
      const Shape s{1, 1, 1, int(values.size())};
      std::vector<float> shifted = values;
      shifted.insert(shifted.begin(), std::size_t(shift), 0.f);
      const DeviceArray<float> x(q, shifted);
      const DeviceArray<std::uint16_t> y(q, s.size() + shift);
      narrow(q, stored_view(y, s, 1, shift), View<const float>(x.data() + shift, s));
      Bits got = y.host();
      got.erase(got.begin(), got.begin() + shift);
      CHECK(got == rounded(values));
      const DeviceArray<float> wide(q, s.size() + shift);
      concat_channels(q, {wide.data() + shift, s}, stored_view(y, s, 1, shift), {});
      std::vector<float> back = wide.host();
      back.erase(back.begin(), back.begin() + shift);
      const std::vector<float> expected = as_bf16(values);
      for (std::size_t i = 0; i < back.size(); ++i)
        CHECK((bits_of(back[i]) == bits_of(expected[i]) || std::isnan(expected[i])));
    }
}

TEST_CASE("concat_channels joins maps of bf16 as it joins those of fp32") {
  for (const Device device : backends())
    for (const bool packed : {true, false}) {
      Queue q(device);
      const int first = packed ? 32 : 5, second = packed ? 16 : 3, all = first + second;
      const auto block = [&](int channels) { return q.on_cuda() ? channels : packed ? 16 : 1; };
      const Shape a{2, first, 3, 5}, b{2, second, 3, 5}, y{2, all, 3, 5};
      const std::vector<float> a_values = as_bf16(random_values(a.size(), 1)),
                               b_values = as_bf16(random_values(b.size(), 2));
      const DeviceArray<float> a_wide(q, to_blocks(a_values, a, block(first))),
          b_wide(q, to_blocks(b_values, b, block(second))), expected(q, y.size()), got(q, y.size());
      const DeviceArray<std::uint16_t> a_there(q, rounded(a_wide.host())), b_there(q, rounded(b_wide.host()));
      concat_channels(q, expected.view(y, block(all)), a_wide.view(a, block(first)),
                      b_wide.view(b, block(second)));
      concat_channels(q, got.view(y, block(all)), stored_view(a_there, a, block(first)),
                      stored_view(b_there, b, block(second)));
      check_equal("joined", got.host(), expected.host());
      CHECK_THROWS_WITH_AS(concat_channels(q, got.view(y, block(all)), a_wide.view(a, block(first)),
                                           stored_view(b_there, b, block(second))),
                           "concat_channels: two maps that are stored differently", Error);
    }
}
