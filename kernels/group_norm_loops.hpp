// The inner loops of group norm on the CPU, over tiles of `lanes` columns. Included by group_norm.cpp alone.
#pragma once

#include "kernels/group_norm_tasks.hpp"
#include "kernels/map.hpp"
#include "kernels/vector_math.hpp"

namespace tweedie::group_norm_cpu {

/// h = (x - mean) scale + shift for each lane; in the backward pass also k0 and k1, see backward_cpu.
struct Coefficients {
  float mean[lanes], scale[lanes], shift[lanes], k0[lanes], k1[lanes];
};

// Calls body(row, lane) for all lanes of all rows of a tile; a body has to be inlined, or each element costs
// a call and nothing becomes vector code: bodies say so, as the compiler weighs it otherwise. A full tile has
// a constant trip count, so that the compiler keeps what belongs to a lane in registers across the rows.
template <class Body>
[[gnu::always_inline]] inline void for_rows(std::int64_t begin, std::int64_t end, int width,
                                            const Body& body) {
  if (width == lanes) {
    for (std::int64_t row = begin; row < end; ++row) {
#pragma omp simd
      for (int j = 0; j < lanes; ++j) body(row, j);
    }
  } else {
    for (std::int64_t row = begin; row < end; ++row) {
#pragma omp simd
      for (int j = 0; j < width; ++j) body(row, j);
    }
  }
}

// ---- sums

struct LaneSums {
  double first[lanes] = {}, second[lanes] = {};
};

// Sums of x and x^2 of each lane. A run is summed in float about a pivot, the lane's mean so far, so that
// data far from 0 lose nothing: with d = sum(x - p) and q = sum((x - p)^2) over r rows,
// sum x = r p + d and sum x^2 = q + 2 p d + r p^2, these two in double.
template <class T>
void add_moments(LaneSums& sums, const T* x, std::int64_t rows, std::int64_t stride, int width) {
  for (std::int64_t begin = 0, end; begin < rows; begin = end) {
    end = std::min(rows, begin == 0 ? first_run_rows : begin + run_rows);
    float pivot[lanes], d[lanes] = {}, q[lanes] = {};
    for (int j = 0; j < width; ++j)
      pivot[j] = begin == 0 ? float(x[j]) : float(sums.first[j] / double(begin));
    for_rows(
        begin, end, width, [&](std::int64_t row, int j) __attribute__((always_inline)) {
          const float difference = float(x[row * stride + j]) - pivot[j];
          d[j] += difference;
          q[j] = multiply_add(difference, difference, q[j]);
        });
    const double r = double(end - begin);
    for (int j = 0; j < width; ++j) {
      const double p = pivot[j];
      sums.first[j] += r * p + d[j];
      sums.second[j] += q[j] + 2 * p * d[j] + r * p * p;
    }
  }
}

// dh = dy silu'(h), silu'(h) = s (1 + h (1 - s)) with s = sigmoid(h).
template <bool with_silu>
[[gnu::always_inline]] inline float before_silu(float dy, float difference, float scale, float shift) {
  if constexpr (!with_silu) return dy;
  const float h = multiply_add(difference, scale, shift), s = sigmoid(h);
  return dy * s * multiply_add(h, 1.0f - s, 1.0f);
}

// Sums of dh and dh (x - mean) of each lane.
template <bool with_silu, class T>
void add_products(LaneSums& sums, const float* dy, const T* x, const Coefficients& k, std::int64_t rows,
                  std::int64_t stride, int width) {
  for (std::int64_t begin = 0; begin < rows; begin += run_rows) {
    const std::int64_t end = std::min(rows, begin + run_rows);
    float first[lanes] = {}, second[lanes] = {};
    for_rows(
        begin, end, width, [&](std::int64_t row, int j) __attribute__((always_inline)) {
          const float difference = float(x[row * stride + j]) - k.mean[j];
          const float dh = before_silu<with_silu>(dy[row * stride + j], difference, k.scale[j], k.shift[j]);
          first[j] += dh;
          second[j] = multiply_add(dh, difference, second[j]);
        });
    for (int j = 0; j < width; ++j) {
      sums.first[j] += first[j];
      sums.second[j] += second[j];
    }
  }
}

// ---- passes that write

template <bool with_silu, class Y, class T>
void write_y(Y* y, const T* x, const Coefficients& k, std::int64_t rows, std::int64_t stride, int width) {
  for_rows(
      0, rows, width, [&](std::int64_t row, int j) __attribute__((always_inline)) {
        const std::int64_t i = row * stride + j;
        const float h = multiply_add(float(x[i]) - k.mean[j], k.scale[j], k.shift[j]);
        y[i] = stored<Y>(with_silu ? h * sigmoid(h) : h);
      });
}

template <bool with_silu, int pluses, class D, class T>
void write_dx(D* dx, const float* dy, const T* x, const float* plus, const float* plus2,
              const Coefficients& k, std::int64_t rows, std::int64_t stride, int width) {
  for_rows(
      0, rows, width, [&](std::int64_t row, int j) __attribute__((always_inline)) {
        const std::int64_t i = row * stride + j;
        const float difference = float(x[i]) - k.mean[j];
        const float dh = before_silu<with_silu>(dy[i], difference, k.scale[j], k.shift[j]);
        float rest = pluses > 0 ? k.k0[j] + plus[i] : k.k0[j];
        if (pluses > 1) rest += plus2[i];
        rest = multiply_add(difference, k.k1[j], rest);
        dx[i] = stored<D>(multiply_add(dh, k.scale[j], rest));
      });
}

}  // namespace tweedie::group_norm_cpu
