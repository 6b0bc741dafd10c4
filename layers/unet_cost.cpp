#include "layers/unet_cost.hpp"

#include <algorithm>

#include "layers/step_ops.hpp"

namespace tweedie {
namespace {

/// The pass forward alone; what the time embedding's few numbers cost is nothing beside it.
template <class F>
void each_forward_op(const UNetConfig& config, const Shape& image, F&& seen) {
  for (const StepOp& op : step_ops(config, image, true))
    if (!op.backward) seen(op);
}

bool convolves(const StepOp& op) { return op.kernel.starts_with("convolution"); }

}  // namespace

ConvolutionCounts convolutions_of(const UNetConfig& config, const Shape& image) {
  ConvolutionCounts counts;
  each_forward_op(config, image, [&](const StepOp& op) {
    if (!convolves(op)) return;
    ConvolutionProblem problem;
    problem.g = op.g;
    problem.x = op.x;
    ++counts[problem];
  });
  return counts;
}

double operations_of(const ConvolutionProblem& p) {
  const Shape y = p.y();
  return 2.0 * double(y.size()) * p.g.in * p.g.taps();
}

double PassCost::seconds(double operations_per_second, double bytes_per_second) const {
  return std::max(operations / operations_per_second, bytes / bytes_per_second);
}

PassCost forward_cost(const UNetConfig& config, const Shape& image) {
  PassCost cost;
  each_forward_op(config, image, [&](const StepOp& op) {
    if (!convolves(op) && op.kernel != "attention") return;
    cost.operations += op.operations;
    // What a convolution adds to is the norm's or the residual's, whose passes are left out.
    cost.bytes += op.bytes(4) - (op.accumulate ? 4.0 * double(op.y.size()) : 0);
  });
  return cost;
}

}  // namespace tweedie
