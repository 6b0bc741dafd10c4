// Correlation with a 2-D kernel, tap by tap: for kernels of few taps.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// The taps of a kernel that are not 0, borrowed from device memory.
struct TapsView {
  int count = 0;
  const int* dh = nullptr;  ///< rows down from the output pixel
  const int* dw = nullptr;  ///< columns to the right of it
  const float* weight = nullptr;
};

enum class Direction { correlate, convolve };

/// y[n, c, h, w] = sum_k weight[k] x[n, c, h + dh[k], w + dw[k]] , x being 0 outside; planar (b = 1), y and x
/// of one shape. `convolve` takes -dh and -dw: the adjoint. Taps are summed in their order with fused
/// multiply-adds: the same bits on every backend. y may not overlap x.
void correlate(Queue& q, View<float> y, View<const float> x, const TapsView& taps, Direction direction);

// The CUDA body; arguments are already checked. `sign` is 1 or -1.
namespace cuda {
void correlate(Queue& q, View<float> y, View<const float> x, const TapsView& taps, int sign);
}  // namespace cuda

}  // namespace tweedie
