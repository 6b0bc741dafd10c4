#include "kernels/simplex.hpp"

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

}  // namespace tweedie
