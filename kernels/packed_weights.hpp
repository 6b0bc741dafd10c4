// The order of packed weights on the CPU. For kernels/convolution.cpp only.
#pragma once

#include <cstdint>

#include "kernels/convolution.hpp"
#include "kernels/onednn.hpp"
#include "kernels/transpose_block.hpp"

namespace tweedie {

/// OIhw{B}i{B}o: element (o, i, tap) at ((o/B * I/B + i/B) * taps + tap) * B*B + i%B * B + o%B.
/// Calls move(packed element, plain element) for all of them.
template <class Move>
void for_each_weight(const ConvolutionGeometry& g, const Move& move) {
  const int b = onednn::channel_block(), taps = g.taps();
#pragma omp parallel for
  for (int ob = 0; ob < g.out / b; ++ob)
    for (int i = 0; i < g.in; ++i)
      for (int tap = 0; tap < taps; ++tap) {
        const std::int64_t to = (((std::int64_t(ob) * (g.in / b) + i / b) * taps + tap) * b + i % b) * b;
        for (int o = 0; o < b; ++o) move(to + o, (std::int64_t(ob * b + o) * g.in + i) * taps + tap);
      }
}

template <int B>
void transpose_blocks_of(float* to, const float* packed, const ConvolutionGeometry& g, bool swap) {
  const int outs = g.out / B, ins = g.in / B, taps = g.taps();
#pragma omp parallel for
  for (int block = 0; block < outs * ins; ++block) {
    const int target = swap ? block % ins * outs + block / ins : block;
    for (int tap = 0; tap < taps; ++tap)
      transpose_block<B>(to + (std::int64_t(target) * taps + tap) * B * B,
                         packed + (std::int64_t(block) * taps + tap) * B * B);
  }
}

/// Packed weights -> OIhw{B}o{B}i, or IOhw{B}o{B}i when `swap`.
inline void transpose_blocks(float* to, const float* packed, const ConvolutionGeometry& g, bool swap) {
  if (onednn::channel_block() == 16)
    transpose_blocks_of<16>(to, packed, g, swap);
  else
    transpose_blocks_of<8>(to, packed, g, swap);
}

}  // namespace tweedie
