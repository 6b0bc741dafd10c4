// The gradient of an operator of one unknown, in one call.
#pragma once

#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"

namespace tweedie::test {

/// (dA / dx)^T w at x.
inline std::vector<float> gradient_of(Context& context, ForwardOperator& op, const Tensor& x,
                                      const Tensor& w) {
  const std::unique_ptr<Saved> saved = op.make_saved();
  op.forward(x, saved.get());
  return context.download(op.backward(w, *saved));
}

}  // namespace tweedie::test
