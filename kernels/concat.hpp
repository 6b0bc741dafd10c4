// Channel concatenation and its inverse.
#pragma once

#include "kernels/map.hpp"
#include "kernels/queue.hpp"

namespace tweedie {

/// y = [a, b] along channels. Either all blocks are equal and divide both channel counts, or all three views
/// are channels-last (each b its own C). a and b are stored the same way; b may be empty: y = a.
void concat_channels(Queue& q, View<float> y, const MapView& a, const MapView& b);
/// The reverse, and so the backward pass: a and b receive y's first and last channels.
void split_channels(Queue& q, View<float> a, View<float> b, View<const float> y);

namespace cuda {
/// y is `rows` times [length_a elements of a, length_b elements of b]: a row is a sample where blocks are
/// equal, a pixel when channels-last.
void concat_rows(Queue& q, float* y, const MapView& a, const MapView& b, std::int64_t rows,
                 std::int64_t length_a, std::int64_t length_b);
void split_rows(Queue& q, float* a, float* b, const float* y, std::int64_t rows, std::int64_t length_a,
                std::int64_t length_b);
}  // namespace cuda

}  // namespace tweedie
