// Doubling and 2x2 averaging on the CPU, row by row. Included by the CPU bodies that resample.
#pragma once

#include <cstdint>

#include "kernels/map.hpp"

namespace tweedie::resample_cpu {

inline constexpr std::int64_t parallel_floats = 1 << 15;

// Rows of the small tensor: two rows of the large one belong to each. `large` and `small` are the first
// elements of a row, `stride` the length of a large row in floats.
struct Rows {
  int width, b;
  std::int64_t stride;
};

// The block is a template argument where it is common, so that the inner loop becomes a few vector moves.
template <int fixed_b, class Body>
[[gnu::always_inline]] inline void for_block(const Rows& r, const Body& body) {
  const int b = fixed_b > 0 ? fixed_b : r.b;
  if constexpr (fixed_b == 1) {
#pragma omp simd
    for (int w = 0; w < r.width; ++w) body(2 * w, w, 1);
  } else {
    for (int w = 0; w < r.width; ++w) {
#pragma omp simd
      for (int j = 0; j < b; ++j) body(std::int64_t(2 * w) * b + j, std::int64_t(w) * b + j, b);
    }
  }
}

template <int fixed_b, bool adds, class T>
void spread(T* large, const float* small, float factor, const Rows& r) {
  for_block<fixed_b>(r, [&](std::int64_t to, std::int64_t from, int b) {
    const float value = factor * small[from];
    if constexpr (adds) {
      large[to] += value;
      large[to + b] += value;
      large[to + r.stride] += value;
      large[to + r.stride + b] += value;
    } else {
      large[to] = large[to + b] = large[to + r.stride] = large[to + r.stride + b] = stored<T>(value);
    }
  });
}

template <int fixed_b, bool adds, class T>
void gather(T* small, const float* large, float factor, const Rows& r) {
  for_block<fixed_b>(r, [&](std::int64_t from, std::int64_t to, int b) {
    const float top = large[from] + large[from + b];
    const float sum = factor * (top + (large[from + r.stride] + large[from + r.stride + b]));
    small[to] = stored<T>(adds ? small[to] + sum : sum);
  });
}

// One row of `small`, `width` pixels of b floats, and the two of `large` that belong to it, whose first
// elements are given; `adds`: to what is there, which is fp32.
template <bool adds, class T>
void spread_row(T* large, const float* small, float factor, int width, int b) {
  const Rows r{width, b, 2 * std::int64_t(width) * b};
  if (b == 16)
    spread<16, adds>(large, small, factor, r);
  else if (b == 1)
    spread<1, adds>(large, small, factor, r);
  else
    spread<0, adds>(large, small, factor, r);
}

template <bool adds, class T>
void gather_row(T* small, const float* large, float factor, int width, int b) {
  const Rows r{width, b, 2 * std::int64_t(width) * b};
  if (b == 16)
    gather<16, adds>(small, large, factor, r);
  else if (b == 1)
    gather<1, adds>(small, large, factor, r);
  else
    gather<0, adds>(small, large, factor, r);
}

// Every pixel of `small` times `factor` to its four of `large`.
template <bool adds>
void spread_all(View<float> large, View<const float> small, float factor) {
  const std::int64_t row = std::int64_t(small.W()) * small.b, rows = small.size() / row;
#pragma omp parallel for schedule(static) if (large.size() >= parallel_floats)
  for (std::int64_t i = 0; i < rows; ++i)
    spread_row<adds>(large.data + i * 4 * row, small.data + i * row, factor, small.W(), small.b);
}

// The sum of four pixels of `large` times `factor` to each of `small`.
template <bool adds>
void gather_all(View<float> small, View<const float> large, float factor) {
  const std::int64_t row = std::int64_t(small.W()) * small.b, rows = small.size() / row;
#pragma omp parallel for schedule(static) if (large.size() >= parallel_floats)
  for (std::int64_t i = 0; i < rows; ++i)
    gather_row<adds>(small.data + i * row, large.data + i * 4 * row, factor, small.W(), small.b);
}

}  // namespace tweedie::resample_cpu
