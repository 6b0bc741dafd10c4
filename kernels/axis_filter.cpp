#include "kernels/axis_filter.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tweedie {
namespace {

// Outputs computed side by side: two 512-bit vectors, so that two chains of additions overlap.
constexpr int lanes = 32;
// Below this many multiplications waking the other threads costs more than the work.
constexpr std::int64_t worth_threads = 1 << 15;

/// y[l] = sum_k weight[k] x[index[k] stride + l] for `width` neighbours l.
template <int width>
[[gnu::always_inline]] inline void weigh(float* y, const float* x, std::int64_t stride, const int* index,
                                         const float* weight, int count) {
  float sum[width] = {};
  for (int k = 0; k < count; ++k) {
    const float factor = weight[k];
    const float* from = x + index[k] * stride;
    // Unrolled in full, the sums stay in registers; left a loop, GCC 12 jams two taps and loses the vectors.
#pragma GCC unroll 32
    for (int l = 0; l < width; ++l) sum[l] = std::fma(factor, from[l], sum[l]);
  }
  for (int l = 0; l < width; ++l) y[l] = sum[l];
}

/// Along H: an output row is a weighted sum of input rows.
void filter_rows(View<float> y, View<const float> x, const SparseRowsView& m) {
  const int W = y.W();
  const std::int64_t rows = std::int64_t(y.N()) * y.C() * m.rows;
#pragma omp parallel for schedule(static) if (y.size() >= worth_threads)
  for (std::int64_t row = 0; row < rows; ++row) {
    const int o = int(row % m.rows), first = m.start[o], count = m.start[o + 1] - first;
    const float* from = x.data + row / m.rows * m.columns * W;
    float* to = y.data + row * W;
    int w = 0;
    for (; w + lanes <= W; w += lanes)
      weigh<lanes>(to + w, from + w, W, m.index + first, m.weight + first, count);
    for (; w + 8 <= W; w += 8) weigh<8>(to + w, from + w, W, m.index + first, m.weight + first, count);
    for (; w < W; ++w) weigh<1>(to + w, from + w, W, m.index + first, m.weight + first, count);
  }
}

/// Along W: `lanes` image rows are transposed, so that this too is a weighted sum of rows, whatever the
/// matrix: a stencil, a resize, their transposes.
void filter_columns(Queue& q, View<float> y, View<const float> x, const SparseRowsView& m) {
  const std::int64_t rows = std::int64_t(y.N()) * y.C() * y.H(), tiles = (rows + lanes - 1) / lanes;
  const std::int64_t tile_floats = std::int64_t(m.rows + m.columns) * lanes;
  const std::size_t threads = std::size_t(omp_get_max_threads());
  float* const scratch = static_cast<float*>(q.scratch(threads * std::size_t(tile_floats) * sizeof(float)));
#pragma omp parallel if (y.size() >= worth_threads)
  {
    float* const in = scratch + omp_get_thread_num() * tile_floats;
    float* const out = in + std::int64_t(m.columns) * lanes;
#pragma omp for schedule(static)
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      const std::int64_t first = tile * lanes;
      // The last tile's other lanes compute on whatever the scratch holds; nobody reads them.
      const int filled = int(std::min<std::int64_t>(lanes, rows - first));
      for (int l = 0; l < filled; ++l)
        for (int w = 0; w < m.columns; ++w)
          in[std::int64_t(w) * lanes + l] = x.data[(first + l) * m.columns + w];
      for (int o = 0; o < m.rows; ++o)
        weigh<lanes>(out + std::int64_t(o) * lanes, in, lanes, m.index + m.start[o], m.weight + m.start[o],
                     m.start[o + 1] - m.start[o]);
      for (int l = 0; l < filled; ++l)
        for (int o = 0; o < m.rows; ++o) y.data[(first + l) * m.rows + o] = out[std::int64_t(o) * lanes + l];
    }
  }
}

}  // namespace

SparseRows SparseRows::transposed() const {
  SparseRows result;
  result.rows = columns;
  result.columns = rows;
  result.start.assign(std::size_t(columns) + 1, 0);
  for (const int column : index) ++result.start[std::size_t(column) + 1];
  std::partial_sum(result.start.begin(), result.start.end(), result.start.begin());
  std::vector<int> next(result.start.begin(), result.start.end() - 1);
  result.index.resize(index.size());
  result.weight.resize(weight.size());
  for (int row = 0; row < rows; ++row)
    for (int k = start[std::size_t(row)]; k < start[std::size_t(row) + 1]; ++k) {
      const std::size_t at = std::size_t(next[std::size_t(index[std::size_t(k)])]++);
      result.index[at] = row;
      result.weight[at] = weight[std::size_t(k)];
    }
  return result;
}

void axis_filter(Queue& q, View<float> y, View<const float> x, const SparseRowsView& m, Axis axis) {
  require(y.b == 1 && x.b == 1, "axis_filter: the layout must be planar (b = 1), got b=", y.b,
          " and b=", x.b);
  const Shape from =
      axis == Axis::rows ? Shape{y.N(), y.C(), m.columns, y.W()} : Shape{y.N(), y.C(), y.H(), m.columns};
  require(x.shape == from && (axis == Axis::rows ? y.H() : y.W()) == m.rows, "axis_filter: a ", m.rows, " x ",
          m.columns, " matrix along ", axis == Axis::rows ? "H" : "W", " does not map ", x.shape, " to ",
          y.shape);
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::axis_filter(q, y, x, m, axis);
  if (axis == Axis::rows)
    filter_rows(y, x, m);
  else
    filter_columns(q, y, x, m);
}

}  // namespace tweedie
