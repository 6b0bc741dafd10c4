// How the CPU body of group norm cuts a map into tasks. Included by group_norm.cpp alone.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/view.hpp"

namespace tweedie::group_norm_cpu {

// The CPU body sees the pixels of one channel block as rows of a multiple of b floats, so that a column holds
// one channel only, and works on up to `lanes` neighbouring columns at a time: b = 1 and b = 16 run at the
// same speed. All partial sums belong to fixed pieces of the tensor, never to threads.
inline constexpr int lanes = 64;
inline constexpr std::int64_t chunk_floats = 1 << 16;  // one task: 256 KiB of x
inline constexpr std::int64_t run_rows = 64;           // float sums are added to double ones this often
inline constexpr std::int64_t first_run_rows =
    4;  // the first pivot is one pixel, which may be far from the rest
inline constexpr std::int64_t parallel_floats = 1 << 15;
inline constexpr std::int64_t band_floats = 1 << 14;  // of x, normalised and then resampled: 64 KiB

struct Sums {
  double first = 0, second = 0;
};

struct Tasks {
  int b, columns, blocks, chunks;
  std::int64_t plane, chunk_pixels, count;

  Tasks(const Shape& x, int block)
      : b(block), columns(b * std::max(1, lanes / b)), blocks(x.C / b), plane(x.plane()) {
    const std::int64_t row_pixels = columns / b;
    chunk_pixels = std::max<std::int64_t>(1, chunk_floats / columns) * row_pixels;
    chunks = int((plane + chunk_pixels - 1) / chunk_pixels);
    count = std::int64_t(x.N) * blocks * chunks;
  }
  int sample(std::int64_t task) const { return int(task / chunks / blocks); }
  int first_channel(std::int64_t task) const { return int(task / chunks % blocks) * b; }
  std::int64_t offset(std::int64_t task) const {
    return (task / chunks * plane + task % chunks * chunk_pixels) * b;
  }
  std::int64_t floats(std::int64_t task) const {
    return std::min(chunk_pixels, plane - task % chunks * chunk_pixels) * b;
  }

  /// Calls f(offset, rows, first column, width) for every tile of a task: whole rows first, then what
  /// is left of the last one.
  template <class F>
  void for_tiles(std::int64_t task, const F& f) const {
    for_tiles_of(offset(task), floats(task), f);
  }
  /// The same of any pixels of one channel block that follow each other.
  template <class F>
  void for_tiles_of(std::int64_t begin, std::int64_t floats, const F& f) const {
    const std::int64_t rows = floats / columns;
    const int rest = int(floats % columns);
    for (int column = 0; column < columns; column += lanes) {
      const int width = std::min(lanes, columns - column), rest_width = std::clamp(rest - column, 0, lanes);
      f(begin + column, rows, column, width);
      if (rest_width > 0) f(begin + rows * columns + column, 1, column, rest_width);
    }
  }
};

/// Element `offset` of a map whose channels lie in two tensors, or in one.
template <class T>
T* in_part(const View<T>& first, const View<T>& second, const Tasks& tasks, std::int64_t offset) {
  if (!second) return first.data + offset;
  const std::int64_t block_floats = tasks.plane * tasks.b, block = offset / block_floats;
  const int n = int(block / tasks.blocks), c = int(block % tasks.blocks) * tasks.b;
  const View<T>& part = c < first.C() ? first : second;
  return part.data + part.offset(n, c < first.C() ? c : c - first.C(), 0, 0) + offset % block_floats;
}

}  // namespace tweedie::group_norm_cpu
