#include "kernels/reduce.hpp"

#include <algorithm>

namespace tweedie {
namespace {

constexpr std::int64_t chunk = 1 << 14;
constexpr std::int64_t parallel_elements = 1 << 15;
constexpr int lanes = 32;

// Sum of x z in double; the lanes fix the order whatever the vector width.
double dot_chunk(const float* x, const float* z, std::int64_t count) {
  double sums[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) sums[lane] += double(x[i + lane]) * double(z[i + lane]);
  }
  for (int lane = 0; i < count; ++i, ++lane) sums[lane] += double(x[i]) * double(z[i]);
  for (int half = lanes / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  return sums[0];
}

void dot_cpu(Queue& q, View<double> out, View<const float> x, View<const float> z) {
  const std::int64_t sample = x.shape.sample(), chunks = (sample + chunk - 1) / chunk;
  double* partial = static_cast<double*>(q.scratch(std::size_t(x.N() * chunks) * sizeof(double)));
#pragma omp parallel for schedule(static) if (x.size() >= parallel_elements)
  for (std::int64_t task = 0; task < x.N() * chunks; ++task) {
    const std::int64_t begin = task % chunks * chunk, offset = task / chunks * sample + begin;
    partial[task] = dot_chunk(x.data + offset, z.data + offset, std::min(chunk, sample - begin));
  }
  for (int n = 0; n < x.N(); ++n) {
    double sum = 0;
    for (std::int64_t k = 0; k < chunks; ++k) sum += partial[n * chunks + k];
    out.data[n] = sum;
  }
}

void dispatch(const char* op, Queue& q, View<double> out, View<const float> x, View<const float> z) {
  require_alike(op, z, x);
  const Shape expected{x.N(), 1, 1, 1};
  require(out.shape == expected, op, ": out is ", out.shape, ", expected ", expected);
  if (x.N() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::dot(q, out, x, z);
  dot_cpu(q, out, x, z);
}

}  // namespace

void sum_squares(Queue& q, View<double> out, View<const float> x) { dispatch("sum_squares", q, out, x, x); }
void dot(Queue& q, View<double> out, View<const float> x, View<const float> z) {
  dispatch("dot", q, out, x, z);
}

}  // namespace tweedie
