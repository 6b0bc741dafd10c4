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

}  // namespace tweedie
