#include "kernels/warp.hpp"

#include <algorithm>

#include "kernels/bilinear.hpp"
#include "kernels/for_each_index.hpp"

namespace tweedie {
namespace {

using bilinear::Cell;

void check(const char* op, const View<const float>& x, const View<const float>& y,
           const View<const float>& phi) {
  require(x.b == 1 && y.b == 1 && phi.b == 1, op, ": the layout must be planar (b = 1), got b=", x.b,
          ", b=", y.b, " and b=", phi.b);
  require(x.shape == y.shape, op, ": shapes differ: ", x.shape, " and ", y.shape);
  const Shape &s = x.shape, &p = phi.shape;
  require((p.N == 1 || p.N == s.N) && p.C == 2 && p.H == s.H && p.W == s.W, op, ": displacements ", p,
          " of images ", s, "; expected (1 or ", s.N, ", 2, ", s.H, ", ", s.W, ")");
}

/// phi's planes of one sample: to the right, then downwards.
const float* displacements(const View<const float>& phi, int n) {
  return phi.data + (phi.N() == 1 ? 0 : n) * phi.shape.sample();
}

}  // namespace

void warp(Queue& q, View<float> y, View<const float> x, View<const float> phi) {
  check("warp", x, y, phi);
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::warp(q, y, x, phi);
  const int C = x.C(), H = x.H(), W = x.W();
  const std::int64_t plane = x.shape.plane(), rows = std::int64_t(x.N()) * C * H;
#pragma omp parallel for schedule(static) if (x.size() >= worth_threads)
  for (std::int64_t row = 0; row < rows; ++row) {
    const int h = int(row % H), n = int(row / H / C);
    const float* const to_right = displacements(phi, n) + std::int64_t(h) * W;
    const float *const down = to_right + plane, *const from = x.data + row / H * plane;
    for (int w = 0; w < W; ++w)
      y.data[row * W + w] =
          bilinear::value(Cell(h, w, down[w], to_right[w], H, W), from, H, W, down[w], to_right[w]);
  }
}

void warp_backward_image(Queue& q, View<float> dx, View<const float> dy, View<const float> phi) {
  check("warp_backward_image", dx, dy, phi);
  if (dx.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::warp_backward_image(q, dx, dy, phi);
  const int C = dx.C(), H = dx.H(), W = dx.W(), planes = dx.N() * C;
  const std::int64_t plane = dx.shape.plane();
  // A plane is one thread's, so that its terms come in one order.
#pragma omp parallel for schedule(static) if (dx.size() >= worth_threads)
  for (int p = 0; p < planes; ++p) {
    const float* const to_right = displacements(phi, p / C);
    const float *const down = to_right + plane, *const from = dy.data + p * plane;
    float* const to = dx.data + p * plane;
    std::fill_n(to, plane, 0.f);
    for (std::int64_t i = 0; i < plane; ++i) {
      const Cell cell(int(i / W), int(i % W), down[i], to_right[i], H, W);
      for (int k = 0; k < 4; ++k)
        if (cell.reaches && cell.inside(k, H, W)) {
          float& sum = to[cell.offset(k, W)];
          sum = fmaf(cell.weight(k), from[i], sum);
        }
    }
  }
}

void warp_backward_displacement(Queue& q, View<float> dphi, View<const float> dy, View<const float> x,
                                View<const float> phi) {
  check("warp_backward_displacement", x, dy, phi);
  require_alike("warp_backward_displacement", dphi, phi);
  if (dphi.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::warp_backward_displacement(q, dphi, dy, x, phi);
  const int C = x.C(), H = x.H(), W = x.W(), each = phi.N() == 1 ? x.N() : 1;
  const std::int64_t plane = x.shape.plane(), rows = std::int64_t(phi.N()) * H;
#pragma omp parallel for schedule(static) if (x.size() >= worth_threads)
  for (std::int64_t row = 0; row < rows; ++row) {
    const int h = int(row % H), n = int(row / H);
    const std::int64_t line = std::int64_t(h) * W, at = n * 2 * plane + line;
    for (int w = 0; w < W; ++w) {
      const Cell cell(h, w, phi.data[at + plane + w], phi.data[at + w], H, W);
      double by_rows = 0, by_columns = 0;
      for (std::int64_t p = std::int64_t(n) * C; p < std::int64_t(n + each) * C; ++p)
        bilinear::add_slopes(by_rows, by_columns, cell, x.data + p * plane, H, W,
                             dy.data[p * plane + line + w]);
      dphi.data[at + w] = float(by_columns);
      dphi.data[at + plane + w] = float(by_rows);
    }
  }
}

}  // namespace tweedie
