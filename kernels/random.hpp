// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011), bitwise the same on every backend.
#pragma once

#include <cstdint>

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y ~ N(0, 1). Element i (in planar NCHW order, whatever y's layout) is lane i%4 of counter offset + i/4
/// under key `seed`, by Box-Muller; logarithm, sine and cosine are our own fused-multiply-add polynomials.
void normal(Queue& q, View<float> y, std::uint64_t seed, std::uint64_t offset);
/// y uniform in [0, 1): 24 random bits over 2^24; counters as above.
void uniform(Queue& q, View<float> y, std::uint64_t seed, std::uint64_t offset);
/// Counters a tensor of `count` elements uses up: the next draw starts at offset + this.
inline std::uint64_t random_counters(std::int64_t count) { return (std::uint64_t(count) + 3) / 4; }

// The CUDA bodies; arguments are already checked.
namespace cuda {
void normal(Queue& q, View<float> y, std::uint64_t seed, std::uint64_t offset);
void uniform(Queue& q, View<float> y, std::uint64_t seed, std::uint64_t offset);
}  // namespace cuda

}  // namespace tweedie
