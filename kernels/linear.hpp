// Several linear maps of the same vectors at once, such as all of a network's projections of its timestep.
#pragma once

#include <span>

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y (N, out) = x (N, in) weight^T + bias; all in device memory, rows one after another.
struct LinearWeights {
  const float* weight = nullptr;  ///< (out, in)
  const float* bias = nullptr;    ///< out, or null
  float* y = nullptr;             ///< (N, out), not x
  int out = 0;
};

/// Applies every map to x (N, in, 1, 1): one launch for up to 64 of them. Products and sums are float32; for
/// few vectors, whose maps are limited by reading the weights. Errors: x is no list of vectors, a map without
/// a weight or a result.
void linear_maps(Queue& q, std::span<const LinearWeights> maps, View<const float> x);

// The CUDA body; arguments are already checked.
namespace cuda {
void linear_maps(Queue& q, std::span<const LinearWeights> maps, View<const float> x);
}  // namespace cuda

}  // namespace tweedie
