// What is left of an estimated blur kernel without the noise around it.
#pragma once

#include <vector>

#include "engine/context.hpp"

namespace tweedie {

/// Kernels (1, 1, rows, columns) without their haze: of what is at least `threshold` times the largest pixel,
/// the heaviest connected part, its sum brought to 1. A pixel that stands alone counts as no more than three
/// times the mean of its neighbourhood: a spike of noise is neither the largest nor the kernel. Keeps the
/// memory it works in.
class HazeRemoval {
 public:
  explicit HazeRemoval(double threshold) : threshold_(threshold) {}
  void operator()(std::vector<float>& kernel, int rows, int columns);
  /// On the host: a kernel is small.
  void operator()(Context& context, Tensor& kernel);

 private:
  double threshold_;
  std::vector<float> values_;
  std::vector<int> part_, reached_;
};

}  // namespace tweedie
