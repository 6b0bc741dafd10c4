// What the classical estimates share among themselves.
#pragma once

#include <cmath>
#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {

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
