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

// Sums of one channel block over the pixels of one sample, added to `sums` (b doubles). A run of pixels is
// summed in float, `width` channels at a time.
void add_block(double* sums, const float* x, std::int64_t pixels, int b) {
  constexpr std::int64_t run = 64;
  for (int first = 0; first < b; first += lanes) {
    const int width = std::min(lanes, b - first);
    for (std::int64_t begin = 0; begin < pixels; begin += run) {
      float part[lanes] = {};
      for (std::int64_t p = begin; p < std::min(pixels, begin + run); ++p) {
#pragma omp simd
        for (int k = 0; k < width; ++k) part[k] += x[p * b + first + k];
      }
      for (int k = 0; k < width; ++k) sums[first + k] += part[k];
    }
  }
}

void add_pixel_sums_cpu(Queue& q, View<float> sums, View<const float> x) {
  const int b = x.b, blocks = x.C() / b, outer = sums.N(), inner = x.N() / std::max(1, outer);
  const std::int64_t plane = x.shape.plane();
  double* totals = static_cast<double*>(q.scratch(std::size_t(outer) * x.C() * sizeof(double)));
#pragma omp parallel for schedule(static) if (x.size() >= parallel_elements)
  for (std::int64_t task = 0; task < std::int64_t(outer) * blocks; ++task) {
    const std::int64_t n = task / blocks, block = task % blocks;
    double* const total = totals + task * b;
    std::fill_n(total, b, 0.0);
    for (std::int64_t i = n * inner; i < (n + 1) * inner; ++i)
      add_block(total, x.data + (i * blocks + block) * plane * b, plane, b);
    for (int k = 0; k < b; ++k) sums.data[task * b + k] += float(total[k]);
  }
}

}  // namespace

void add_pixel_sums(Queue& q, View<float> sums, View<const float> x) {
  const Shape expected{sums.N(), x.C(), 1, 1};
  require(sums.shape == expected && (sums.N() == 1 || sums.N() == x.N()), "add_pixel_sums: sums are ",
          sums.shape, ", expected (", x.N(), " or 1, ", x.C(), ", 1, 1)");
  require(x.b > 0 && x.C() % x.b == 0, "add_pixel_sums: block ", x.b, " does not divide the ", x.C(),
          " channels");
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::add_pixel_sums(q, sums, x);
  add_pixel_sums_cpu(q, sums, x);
}

void sum_squares(Queue& q, View<double> out, View<const float> x) { dispatch("sum_squares", q, out, x, x); }
void dot(Queue& q, View<double> out, View<const float> x, View<const float> z) {
  dispatch("dot", q, out, x, z);
}

}  // namespace tweedie
