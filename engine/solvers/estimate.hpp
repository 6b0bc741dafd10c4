// What classical estimates share: their result, and small helpers.
#pragma once

#include <cmath>
#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "engine/solvers/conjugate_gradients.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {

/// What an iterative method found, and how far it came.
struct Estimate {
  Tensor x;                      ///< the image (N, C, H, W); not clipped to [-1, 1]
  int iterations = 0;            ///< of the outermost loop
  std::vector<double> residual;  ///< of each sample; what it measures is said by each method
};

/// y without what was not measured.
inline Tensor measured_part(Context& context, LinearOperator& op, const Tensor& y) {
  Tensor part = context.planar(y.shape());
  copy(context.queue, part, y);
  op.discard_unmeasured(part);
  return part;
}

/// |t| of each sample.
inline std::vector<double> sample_norms(Context& context, const Tensor& t) {
  TensorOf<double> sums = context.per_sample(t.shape().N);
  sum_squares(context.queue, sums, t);
  std::vector<double> norms = context.download(sums);
  for (double& value : norms) value = std::sqrt(value);
  return norms;
}

}  // namespace tweedie
