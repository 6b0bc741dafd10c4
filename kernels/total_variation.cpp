#include "kernels/total_variation.hpp"

#include <cmath>

#include "kernels/for_each_index.hpp"

namespace tweedie {
namespace {

void check(const char* op, const View<const float>& g, const View<const float>& x) {
  require(g.b == 1 && x.b == 1, op, ": the layout must be planar (b = 1), got b=", g.b, " and b=", x.b);
  const Shape expected{x.N(), 2 * x.C(), x.H(), x.W()};
  require(g.shape == expected, op, ": differences ", g.shape, " of images ", x.shape, "; expected ",
          expected);
}

/// body(x's offset, offset of the differences along H, of those along W, h) of every row of an image's
/// planes; no row depends on another.
template <class F>
void for_each_row(const Shape& x, F body) {
  const std::int64_t rows = std::int64_t(x.N) * x.C * x.H, W = x.W;
#pragma omp parallel for schedule(static) if (x.size() >= worth_threads)
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t along_h = row * W + row / (std::int64_t(x.C) * x.H) * x.sample();
    body(row * W, along_h, along_h + x.sample(), int(row % x.H));
  }
}

}  // namespace

void differences(Queue& q, View<float> g, View<const float> x) {
  check("differences", g, x);
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::differences(q, g, x);
  const int H = x.H(), W = x.W();
  for_each_row(x.shape, [=](std::int64_t at, std::int64_t along_h, std::int64_t along_w, int h) {
    const float* const from = x.data + at;
    float *const to_h = g.data + along_h, *const to_w = g.data + along_w;
    for (int w = 0; w < W; ++w) to_h[w] = h + 1 < H ? from[w + W] - from[w] : 0.f;
    for (int w = 0; w + 1 < W; ++w) to_w[w] = from[w + 1] - from[w];
    to_w[W - 1] = 0;
  });
}

void differences_backward(Queue& q, View<float> dx, View<const float> dg) {
  check("differences_backward", dg, dx);
  if (dx.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::differences_backward(q, dx, dg);
  const int H = dx.H(), W = dx.W();
  for_each_row(dx.shape, [=](std::int64_t at, std::int64_t along_h, std::int64_t along_w, int h) {
    const float *const from_h = dg.data + along_h, *const from_w = dg.data + along_w;
    float* const to = dx.data + at;
    for (int w = 0; w < W; ++w) {
      const float above = h > 0 ? from_h[w - W] : 0.f, below = h + 1 < H ? from_h[w] : 0.f;
      const float left = w > 0 ? from_w[w - 1] : 0.f, right = w + 1 < W ? from_w[w] : 0.f;
      to[w] = (above - below) + (left - right);
    }
  });
}

void difference_norms(Queue& q, View<float> m, View<const float> g) {
  check("difference_norms", g, m);
  if (m.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::difference_norms(q, m, g);
  const int W = m.W();
  for_each_row(m.shape, [=](std::int64_t at, std::int64_t along_h, std::int64_t along_w, int) {
    for (int w = 0; w < W; ++w) {
      const float a = g.data[along_h + w], b = g.data[along_w + w];
      m.data[at + w] = std::sqrt(std::fma(a, a, b * b));
    }
  });
}

void shrink_differences(Queue& q, View<float> z, View<const float> g, float threshold) {
  require_alike("shrink_differences", z, g);
  require(z.b == 1 && z.C() % 2 == 0, "shrink_differences: ", z.shape, " b=", z.b,
          "; expected two channels for each of an image's, planar (b = 1)");
  require(threshold >= 0, "shrink_differences: a threshold of ", threshold, "; expected 0 or more");
  if (z.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::shrink_differences(q, z, g, threshold);
  const int W = z.W();
  for_each_row({z.N(), z.C() / 2, z.H(), W}, [=](std::int64_t, std::int64_t at_h, std::int64_t at_w, int) {
    for (int w = 0; w < W; ++w) {
      const float a = g.data[at_h + w], b = g.data[at_w + w];
      const float norm = std::sqrt(std::fma(a, a, b * b));
      const float factor = norm > threshold ? 1.f - threshold / norm : 0.f;
      z.data[at_h + w] = factor * a;
      z.data[at_w + w] = factor * b;
    }
  });
}

}  // namespace tweedie
