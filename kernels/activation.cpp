#include "kernels/activation.hpp"

#include <cmath>

#include "kernels/for_each_index.hpp"

namespace tweedie {
namespace {

void check_slope(const char* op, float slope) {
  require(slope >= 0 && slope < 1, op, ": a slope of ", slope, "; expected 0 or more and below 1");
}

}  // namespace

void leaky_relu(Queue& q, View<float> y, View<const float> x, float slope) {
  require_alike("leaky_relu", y, x);
  check_slope("leaky_relu", slope);
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::leaky_relu(q, y, x, slope);
  for_each_index(y.size(), [slope, to = y.data, from = x.data](std::int64_t i) {
    // Both values, then the choice: this form GCC 12 vectorises.
    const float v = from[i], less = slope * v;
    to[i] = v > 0 ? v : less;
  });
}

void leaky_relu_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y, float slope) {
  require_alike("leaky_relu_backward", dx, dy);
  require_alike("leaky_relu_backward", dx, y);
  check_slope("leaky_relu_backward", slope);
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::leaky_relu_backward(q, dx, dy, y, slope);
  for_each_index(dx.size(), [slope, to = dx.data, from = dy.data, at = y.data](std::int64_t i) {
    const float v = from[i], less = slope * v;
    to[i] = at[i] > 0 ? v : less;
  });
}

void tanh_forward(Queue& q, View<float> y, View<const float> x) {
  require_alike("tanh_forward", y, x);
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::tanh_forward(q, y, x);
  for_each_index(y.size(), [to = y.data, from = x.data](std::int64_t i) { to[i] = std::tanh(from[i]); });
}

void tanh_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y) {
  require_alike("tanh_backward", dx, dy);
  require_alike("tanh_backward", dx, y);
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::tanh_backward(q, dx, dy, y);
  for_each_index(dx.size(), [to = dx.data, from = dy.data, at = y.data](std::int64_t i) {
    to[i] = from[i] * std::fma(-at[i], at[i], 1.f);
  });
}

}  // namespace tweedie
