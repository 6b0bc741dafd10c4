// Conversion between members of the layout family.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y = x in y's layout. N, H, W equal; where y has more channels they are 0, where it has fewer x's last are
/// dropped (so that 3-channel images enter networks whose channels come in blocks).
void convert_layout(Queue& q, View<float> y, View<const float> x);

namespace cuda {
void convert_layout(Queue& q, View<float> y, View<const float> x);
}  // namespace cuda

}  // namespace tweedie
