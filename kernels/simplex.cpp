#include "kernels/simplex.hpp"

#include <cmath>

#include "kernels/for_each_index.hpp"

namespace tweedie {
namespace {

void check(const char* op, const View<const float>& y, const View<const float>& x) {
  require_alike(op, y, x);
}

void check_totals(const char* op, const View<const float>& x, const View<const double>& totals) {
  const Shape expected{x.N(), 1, 1, 1};
  require(totals.shape == expected, op, ": totals ", totals.shape, ", expected ", expected);
}

/// The tau of one sample: that of ever fewer values, those above the last one.
double threshold(const float* x, std::int64_t size) {
  double tau = 0;
  std::int64_t count = size + 1;
  for (bool first = true;; first = false) {
    double sum = 0;
    std::int64_t above = 0;
    for (std::int64_t i = 0; i < size; ++i)
      if (first || x[i] > tau) {
        sum += x[i];
        ++above;
      }
    if (above == 0 || above >= count) return tau;
    count = above;
    tau = (sum - 1) / double(above);
  }
}

}  // namespace

void normalise_to_simplex(Queue& q, View<float> y, View<double> totals, View<const float> x) {
  check("normalise_to_simplex", y, x);
  check_totals("normalise_to_simplex", x, totals);
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::normalise_to_simplex(q, y, totals, x);
  const std::int64_t size = x.shape.sample();
  for (int n = 0; n < x.N(); ++n) {
    const float* const from = x.data + n * size;
    float* const to = y.data + n * size;
    double sum = 0;
    for (std::int64_t i = 0; i < size; ++i) sum += 0.5 * (double(from[i]) + 1);
    totals.data[n] = sum;
    for (std::int64_t i = 0; i < size; ++i)
      to[i] = sum <= 0 ? float(1 / double(size)) : float(0.5 * (double(from[i]) + 1) / sum);
  }
}

void normalise_to_simplex_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y,
                                   View<const double> totals) {
  check("normalise_to_simplex_backward", dx, dy);
  check("normalise_to_simplex_backward", dx, y);
  check_totals("normalise_to_simplex_backward", dx, totals);
  if (dx.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::normalise_to_simplex_backward(q, dx, dy, y, totals);
  const std::int64_t size = dx.shape.sample();
  for (int n = 0; n < dx.N(); ++n) {
    const std::int64_t first = n * size;
    double product = 0;
    for (std::int64_t i = first; i < first + size; ++i) product += double(dy.data[i]) * y.data[i];
    const double total = totals.data[n];
    for (std::int64_t i = first; i < first + size; ++i)
      dx.data[i] = total <= 0 ? 0.f : float((dy.data[i] - product) / (2 * total));
  }
}

void project_to_simplex(Queue& q, View<float> y, View<const float> x) {
  check("project_to_simplex", y, x);
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::project_to_simplex(q, y, x);
  const std::int64_t size = x.shape.sample();
  for (int n = 0; n < x.N(); ++n) {
    const float* const from = x.data + n * size;
    const double tau = threshold(from, size);
    for (std::int64_t i = 0; i < size; ++i)
      y.data[n * size + i] = from[i] <= tau ? 0.f : float(from[i] - tau);
  }
}

void add_sparsity_gradient(Queue& q, View<float> dx, View<const float> x, float scale, float offset,
                           float weight, float width) {
  check("add_sparsity_gradient", dx, x);
  require(width >= 0, "add_sparsity_gradient: a width of ", width, "; expected 0 or more");
  if (dx.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::add_sparsity_gradient(q, dx, x, scale, offset, weight, width);
  const float factor = weight * scale, square = width * width;
  float* const to = dx.data;
  const float* const from = x.data;
  if (width == 0) return for_each_index(dx.size(), [=](std::int64_t i) { to[i] += factor; });
  for_each_index(dx.size(), [=](std::int64_t i) {
    const float u = std::fma(scale, from[i], offset), sum = std::fma(u, u, square);
    to[i] = std::fma(factor, 2 * u * square / (sum * sum), to[i]);
  });
}

}  // namespace tweedie
