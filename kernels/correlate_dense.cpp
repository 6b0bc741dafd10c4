#include "kernels/correlate_dense.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/for_each_index.hpp"

namespace tweedie {
namespace {

void check(const char* op, const View<const float>& y, const View<const float>& x,
           const View<const float>& k) {
  require(y.b == 1 && x.b == 1 && k.b == 1, op, ": the layout must be planar (b = 1), got b=", y.b,
          ", b=", x.b, " and b=", k.b);
  const Shape &s = x.shape, &t = k.shape;
  require((t.N == 1 || t.N == s.N) && t.C == 1 && t.H >= 1 && t.W >= 1, op, ": kernels ", t, " of images ", s,
          "; expected (1 or ", s.N, ", 1, rows, columns)");
  const Shape expected{s.N, s.C, s.H - t.H + 1, s.W - t.W + 1};
  require(y.shape == expected, op, ": ", y.shape, " from ", s, " by kernels ", t, "; expected ", expected);
}

}  // namespace

void correlate_dense(Queue& q, View<float> y, View<const float> x, View<const float> k) {
  check("correlate_dense", y, x, k);
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::correlate_dense(q, y, x, k);
  const int C = y.C(), H = y.H(), W = y.W(), kh = k.H(), kw = k.W();
  const std::int64_t rows = std::int64_t(y.N()) * C * H;
#pragma omp parallel for schedule(static) if (y.size() >= worth_threads)
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* const taps = k.data + (k.N() == 1 ? 0 : row / H / C) * k.shape.plane();
    float* const to = y.data + row * W;
    std::fill_n(to, W, 0.f);
    for (int i = 0; i < kh; ++i)
      for (int j = 0; j < kw; ++j) {
        const float tap = taps[i * kw + j];
        const float* const from = x.data + (row / H * x.H() + row % H + i) * x.W() + j;
        for (int w = 0; w < W; ++w) to[w] = std::fma(tap, from[w], to[w]);
      }
  }
}

void correlate_dense_backward_image(Queue& q, View<float> dx, View<const float> dy, View<const float> k) {
  check("correlate_dense_backward_image", dy, dx, k);
  if (dx.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::correlate_dense_backward_image(q, dx, dy, k);
  const int C = dx.C(), H = dx.H(), kh = k.H(), kw = k.W(), W = dy.W();
  const std::int64_t rows = std::int64_t(dx.N()) * C * H;
#pragma omp parallel for schedule(static) if (dx.size() >= worth_threads)
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* const taps = k.data + (k.N() == 1 ? 0 : row / H / C) * k.shape.plane();
    float* const to = dx.data + row * dx.W();
    std::fill_n(to, dx.W(), 0.f);
    for (int i = 0; i < kh; ++i) {
      const int h = int(row % H) - i;
      if (h < 0 || h >= dy.H()) continue;
      const float* const from = dy.data + (row / H * dy.H() + h) * W;
      for (int j = 0; j < kw; ++j) {
        const float tap = taps[i * kw + j];
        for (int w = 0; w < W; ++w) to[w + j] = std::fma(tap, from[w], to[w + j]);
      }
    }
  }
}

void correlate_dense_backward_kernel(Queue& q, View<float> dk, View<const float> dy, View<const float> x) {
  check("correlate_dense_backward_kernel", dy, x, dk);
  if (dk.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::correlate_dense_backward_kernel(q, dk, dy, x);
  const int planes = x.C() * (dk.N() == 1 ? x.N() : 1), H = dy.H(), W = dy.W();
#pragma omp parallel for schedule(static) if (x.size() >= worth_threads)
  for (std::int64_t tap = 0; tap < dk.size(); ++tap) {
    const int j = int(tap % dk.W()), i = int(tap / dk.W() % dk.H());
    const std::int64_t first = tap / dk.shape.plane() * planes;
    double sum = 0;
    for (std::int64_t p = first; p < first + planes; ++p)
      for (int h = 0; h < H; ++h) {
        const float* const on_y = dy.data + (p * H + h) * W;
        const float* const from = x.data + (p * x.H() + h + i) * x.W() + j;
        for (int w = 0; w < W; ++w) sum += double(on_y[w]) * from[w];
      }
    dk.data[tap] = float(sum);
  }
}

}  // namespace tweedie
