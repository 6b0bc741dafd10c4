#include "layers/unet_cost.hpp"

#include <algorithm>
#include <functional>

namespace tweedie {
namespace {

using Kind = ModulePlan::Kind;

/// Calls `seen` with every module and the shapes before and after it; channels are the plan's.
Shape walk(const UNetConfig& config, const Shape& image,
           const std::function<void(const ModulePlan&, const Shape&, const Shape&)>& seen) {
  Shape at = image;
  for (const StagePlan& stage : plan_blocks(config))
    for (const ModulePlan& m : stage.modules) {
      const Shape before = at;
      if (m.how == Resample::up) at.H *= 2, at.W *= 2;
      if (m.how == Resample::down) at.H /= 2, at.W /= 2;
      seen(m, before, at);
    }
  return at;
}

void count(ConvolutionCounts& counts, int in, int out, int kernel, int stride, const Shape& x) {
  ConvolutionProblem problem;
  problem.g = {padded_channels(in), padded_channels(out), kernel, stride, kernel / 2};
  problem.x = {x.N, problem.g.in, x.H, x.W};
  ++counts[problem];
}

}  // namespace

ConvolutionCounts convolutions_of(const UNetConfig& config, const Shape& image) {
  ConvolutionCounts counts;
  const Shape last = walk(config, image, [&](const ModulePlan& m, const Shape& before, const Shape& after) {
    if (m.kind == Kind::convolution) count(counts, m.in, m.out, 3, 1, after);
    if (m.kind == Kind::residual) {
      count(counts, m.in, m.out, 3, 1, after);
      count(counts, m.out, m.out, 3, 1, after);
      if (m.in != m.out) count(counts, m.in, m.out, 1, 1, after);
    }
    if (m.kind == Kind::attention) {
      count(counts, m.in, 3 * m.in, 1, 1, after);
      count(counts, m.in, m.in, 1, 1, after);
    }
    if (m.kind == Kind::downsample && config.conv_resample) count(counts, m.in, m.out, 3, 2, before);
    if (m.kind == Kind::upsample && config.conv_resample) count(counts, m.in, m.out, 3, 1, after);
  });
  count(counts, config.channels(0), config.out_channels, 3, 1, last);
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
  for (const auto& [problem, times] : convolutions_of(config, image)) {
    cost.operations += times * operations_of(problem);
    const double weights = double(problem.g.in) * problem.g.out * problem.g.taps();
    cost.bytes += 4.0 * times * (double(problem.x.size()) + double(problem.y().size()) + weights);
  }
  walk(config, image, [&](const ModulePlan& m, const Shape&, const Shape& after) {
    if (m.kind != Kind::attention) return;
    const double pixels = double(after.H) * after.W, maps = double(after.N) * m.heads * pixels * pixels;
    // Queries times keys, and what follows from it times values.
    cost.operations += 2 * 2.0 * double(after.N) * pixels * pixels * m.in;
    cost.bytes += 4.0 * (4.0 * double(after.N) * m.in * pixels + 2 * maps);
  });
  return cost;
}

}  // namespace tweedie
