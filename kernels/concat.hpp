// Channel concatenation and its inverse.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y = [a, b] along channels. Either all blocks are equal and divide both channel counts, or all three views
/// are channels-last (each b its own C).
void concat_channels(Queue& q, View<float> y, View<const float> a, View<const float> b);
/// The reverse, and so the backward pass: a and b receive y's first and last channels.
void split_channels(Queue& q, View<float> a, View<float> b, View<const float> y);

namespace cuda {
/// y is `rows` times [length_a floats of a, length_b floats of b]: a row is a sample where blocks are equal,
/// a pixel when channels-last.
void concat_rows(Queue& q, float* y, const float* a, const float* b, std::int64_t rows, std::int64_t length_a,
                 std::int64_t length_b);
void split_rows(Queue& q, float* a, float* b, const float* y, std::int64_t rows, std::int64_t length_a,
                std::int64_t length_b);
}  // namespace cuda

}  // namespace tweedie
