// Channels to pixels: how networks enlarge without a transposed convolution.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y[n, c, 2h + i, 2w + j] = x[n, 4c + 2i + j, h, w] (torch's PixelShuffle(2)); y (N, C', 2H, 2W), x
/// (N, C, H, W) in any layouts, C at most 4 C'. Where 4c + 2i + j is no channel of x, y is 0: feature maps
/// have channels added to fill their blocks.
void pixel_shuffle2(Queue& q, View<float> y, View<const float> x);
/// dx[n, 4c + 2i + j, h, w] = dy[n, c, 2h + i, 2w + j]: the adjoint.
void pixel_shuffle2_backward(Queue& q, View<float> dx, View<const float> dy);

// The CUDA bodies; arguments are already checked.
namespace cuda {
void pixel_shuffle2(Queue& q, View<float> y, View<const float> x);
void pixel_shuffle2_backward(Queue& q, View<float> dx, View<const float> dy);
}  // namespace cuda

}  // namespace tweedie
