// Random numbers of one sample: a stream for each (seed, index), the same on any thread.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/philox.hpp"

namespace tweedie {

/// The random numbers that belong to one sample of one seed, in the order in which they are asked for.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t index) : seed_(seed), index_(index) {}

  std::uint64_t bits() {
    const philox::Block block = philox::block(count_++, index_, seed_);
    return std::uint64_t(block.lane[1]) << 32 | block.lane[0];
  }
  /// In [0, 1), or in [low, high).
  double uniform() { return double(bits() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// In [low, high), evenly in the logarithm; both positive.
  double log_uniform(double low, double high) { return low * std::exp(uniform() * std::log(high / low)); }
  /// Two independent standard normals.
  philox::Pair normals() {
    const philox::Block block = philox::block(count_++, index_, seed_);
    return philox::normals(block.lane[0], block.lane[1]);
  }

 private:
  std::uint64_t seed_, index_, count_ = 0;
};

/// Where `position` (0 to count - 1) goes in the order of that seed and epoch: a permutation of the count.
/// A Feistel network over the next larger power of four, walked until it falls among the count (Black &
/// Rogaway, "Ciphers with arbitrary finite domains", 2002): no list is kept, and any position is found at
/// once.
inline std::uint64_t shuffled(std::uint64_t position, std::uint64_t count, std::uint64_t seed,
                              std::uint64_t epoch) {
  int half = 1;
  while (half < 31 && (std::uint64_t{1} << 2 * half) < count) ++half;
  const std::uint64_t mask = (std::uint64_t{1} << half) - 1;
  do {
    std::uint64_t left = position >> half, right = position & mask;
    for (std::uint64_t round = 0; round < 6; ++round) {
      // Counters far above those of the samples' own streams.
      const philox::Block block = philox::block(~right, ~(epoch * 6 + round), seed);
      const std::uint64_t next = left ^ (block.lane[0] & mask);
      left = right;
      right = next;
    }
    position = left << half | right;
  } while (position >= count);
  return position;
}

}  // namespace tweedie
