// What both fuzz targets and the replay of their corpus do with an input.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/error.hpp"
#include "weights/checkpoints/byte_source.hpp"
#include "weights/checkpoints/checkpoint.hpp"

namespace tweedie::fuzz {

/// Opens bytes as a checkpoint and reads every tensor of a floating-point type. An `Error` is a sound answer;
/// anything else that goes wrong (another exception, a crash, a sanitizer's report) is not.
inline void read_all(const std::uint8_t* data, std::size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  try {
    const Checkpoint checkpoint(open_bytes({bytes, bytes + size}, "input"));
    for (const TensorEntry& tensor : checkpoint.tensors())
      if (tensor.element != Element::other) checkpoint.read(tensor);
  } catch (const Error&) {
  }
}

}  // namespace tweedie::fuzz
