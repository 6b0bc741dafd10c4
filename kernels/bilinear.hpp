// Linear interpolation between four pixels, for both compilers; see kernels/warp.hpp.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/both.hpp"

namespace tweedie::bilinear {

/// The four pixels around a displaced one: (h, w) is the upper left of them. Pixel k of them is in row
/// h + k / 2 and column w + k % 2.
struct Cell {
  int h, w;
  float down, right;  ///< the point's distance from (h, w), in [0, 1)
  bool reaches;       ///< whether any of the four may lie in the image

  /// Of the pixel (row, column), displaced, in planes of H x W. The whole part of the displacement is taken
  /// off first, so that the fraction is exact far from the origin, too.
  TWEEDIE_BOTH Cell(int row, int column, float by_rows, float by_columns, int H, int W) {
    const float rows = floorf(by_rows), columns = floorf(by_columns);
    // As floats, for a displacement may be larger than any int. False for NaN as well.
    reaches = float(row) + rows >= -1.f && float(row) + rows < float(H) && float(column) + columns >= -1.f &&
              float(column) + columns < float(W);
    h = reaches ? row + int(rows) : 0;
    w = reaches ? column + int(columns) : 0;
    down = by_rows - rows;
    right = by_columns - columns;
  }
  TWEEDIE_BOTH bool inside(int k, int H, int W) const {
    const int row = h + k / 2, column = w + k % 2;
    return row >= 0 && row < H && column >= 0 && column < W;
  }
  TWEEDIE_BOTH std::int64_t offset(int k, int W) const { return std::int64_t(h + k / 2) * W + w + k % 2; }
  TWEEDIE_BOTH float weight(int k) const {
    return (k / 2 == 1 ? down : 1.f - down) * (k % 2 == 1 ? right : 1.f - right);
  }
};

/// The interpolated value of a plane; `by_rows` and `by_columns` as they came, so that NaN stays.
TWEEDIE_BOTH float value(const Cell& cell, const float* plane, int H, int W, float by_rows,
                         float by_columns) {
  if (!cell.reaches) return std::isnan(by_rows + by_columns) ? by_rows + by_columns : 0.f;
  float sum = 0;
  for (int k = 0; k < 4; ++k)
    if (cell.inside(k, H, W)) sum = fmaf(cell.weight(k), plane[cell.offset(k, W)], sum);
  return sum;
}

/// Adds dy times the derivatives of that value by rows and by columns.
TWEEDIE_BOTH void add_slopes(double& by_rows, double& by_columns, const Cell& cell, const float* plane, int H,
                             int W, float dy) {
  if (!cell.reaches) return;
  double x[4];
  for (int k = 0; k < 4; ++k) x[k] = cell.inside(k, H, W) ? double(plane[cell.offset(k, W)]) : 0.0;
  const double right = cell.right, down = cell.down;
  by_rows = fma(double(dy), fma(right, (x[3] - x[1]) - (x[2] - x[0]), x[2] - x[0]), by_rows);
  by_columns = fma(double(dy), fma(down, (x[3] - x[2]) - (x[1] - x[0]), x[1] - x[0]), by_columns);
}

}  // namespace tweedie::bilinear
