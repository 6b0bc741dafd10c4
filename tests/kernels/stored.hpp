// Maps stored as bf16 on a queue's device.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/map.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {

using Bits = std::vector<std::uint16_t>;

inline Bits rounded(const std::vector<float>& values) {
  Bits bits;
  for (const float value : values) bits.push_back(bf16::rounded(value).bits);
  return bits;
}

inline std::vector<float> widened(const Bits& bits) {
  std::vector<float> values;
  for (const std::uint16_t each : bits) {
    bf16 value;
    value.bits = each;
    values.push_back(value);
  }
  return values;
}

/// Values as bf16 has them.
inline std::vector<float> as_bf16(const std::vector<float>& values) { return widened(rounded(values)); }

inline View<bf16> stored_view(const DeviceArray<std::uint16_t>& of, const Shape& shape, int b,
                              std::int64_t shift = 0) {
  return {reinterpret_cast<bf16*>(of.data()) + shift, shape, b};
}

}  // namespace tweedie::test
