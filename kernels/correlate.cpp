#include "kernels/correlate.hpp"

#include <algorithm>
#include <cmath>

namespace tweedie {
namespace {

// Outputs computed side by side: two 512-bit vectors, so that two chains of additions overlap.
constexpr int lanes = 32;

/// One pixel, with all its neighbours looked for.
float weigh_one(const float* plane, int H, int W, int h, int w, const TapsView& taps, int sign) {
  float sum = 0;
  for (int k = 0; k < taps.count; ++k) {
    const int row = h + sign * taps.dh[k], column = w + sign * taps.dw[k];
    if (row < 0 || row >= H || column < 0 || column >= W) continue;
    sum = std::fma(taps.weight[k], plane[std::int64_t(row) * W + column], sum);
  }
  return sum;
}

/// `lanes` pixels of a row whose taps reach no column outside.
void weigh_many(float* y, const float* plane, int H, int W, int h, int w, const TapsView& taps, int sign) {
  float sum[lanes] = {};
  for (int k = 0; k < taps.count; ++k) {
    const int row = h + sign * taps.dh[k];
    if (row < 0 || row >= H) continue;
    const float factor = taps.weight[k];
    const float* from = plane + std::int64_t(row) * W + w + sign * taps.dw[k];
    // Unrolled in full, the sums stay in registers.
#pragma GCC unroll 32
    for (int l = 0; l < lanes; ++l) sum[l] = std::fma(factor, from[l], sum[l]);
  }
  for (int l = 0; l < lanes; ++l) y[w + l] = sum[l];
}

}  // namespace

void correlate(Queue& q, View<float> y, View<const float> x, const TapsView& taps, Direction direction) {
  require(y.b == 1 && x.b == 1 && y.shape == x.shape, "correlate: ", x.shape, " b=", x.b, " to ", y.shape,
          " b=", y.b, "; expected planar views of one shape");
  require(taps.count >= 0, "correlate: ", taps.count, " taps");
  if (y.size() == 0) return;
  const int sign = direction == Direction::correlate ? 1 : -1;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::correlate(q, y, x, taps, sign);
  const int H = y.H(), W = y.W();
  int left = 0, right = 0;  // how far the taps reach
  for (int k = 0; k < taps.count; ++k) {
    left = std::max(left, -sign * taps.dw[k]);
    right = std::max(right, sign * taps.dw[k]);
  }
  const std::int64_t rows = std::int64_t(y.N()) * y.C() * H;
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < rows; ++row) {
    const int h = int(row % H);
    const float* plane = x.data + (row - h) * W;
    float* to = y.data + row * W;
    int w = 0;
    while (w < W) {
      if (w >= left && w + lanes + right <= W) {
        weigh_many(to, plane, H, W, h, w, taps, sign);
        w += lanes;
      } else {
        to[w] = weigh_one(plane, H, W, h, w, taps, sign);
        ++w;
      }
    }
  }
}

}  // namespace tweedie
