#include "engine/chart.hpp"

#include "kernels/elementwise.hpp"
#include "kernels/simplex.hpp"

namespace tweedie {

struct SimplexChart::State : Saved {
  Tensor kernel;
  TensorOf<double> totals;
};

std::unique_ptr<Saved> SimplexChart::make_saved() const { return std::make_unique<State>(); }

Tensor SimplexChart::forward(const Tensor& x, Saved* saved) {
  Tensor kernel(context_.pool, x.shape(), x.b());
  TensorOf<double> totals = context_.per_sample(x.shape().N);
  normalise_to_simplex(context_.queue, kernel, totals, x);
  if (saved) {
    State& state = saved_as<State>(*saved, "simplex chart");
    state.kernel = kernel;
    state.totals = std::move(totals);
  }
  return kernel;
}

Tensor SimplexChart::backward(const Tensor& dy, Saved& saved) {
  State& state = saved_as<State>(saved, "simplex chart");
  Tensor dx(context_.pool, dy.shape(), dy.b());
  normalise_to_simplex_backward(context_.queue, dx, dy, state.kernel, state.totals.view());
  return dx;
}

struct ClipChart::State : Saved {
  Tensor x;
};

ClipChart::ClipChart(Context& context, double limit) : context_(context), limit_(float(limit)) {
  require(limit > 0, "clip chart: a limit of ", limit, "; expected a positive number");
}

std::unique_ptr<Saved> ClipChart::make_saved() const { return std::make_unique<State>(); }

Tensor ClipChart::forward(const Tensor& x, Saved* saved) {
  if (saved) saved_as<State>(*saved, "clip chart").x = x;
  Tensor y(context_.pool, x.shape(), x.b());
  clamp(context_.queue, y, x, -limit_, limit_);
  return y;
}

Tensor ClipChart::backward(const Tensor& dy, Saved& saved) {
  Tensor dx(context_.pool, dy.shape(), dy.b());
  clamp_backward(context_.queue, dx, dy, saved_as<State>(saved, "clip chart").x, -limit_, limit_);
  return dx;
}

}  // namespace tweedie
