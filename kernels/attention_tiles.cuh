// Tiles of attention's matrices in shared memory, and products of them. For kernels/attention.cu alone.
#pragma once

#include "kernels/attention_heads.hpp"
#include "kernels/pack.cuh"

namespace tweedie::cuda {

constexpr int side = 32;  ///< rows of a tile: pixels
constexpr int wide = 64;  ///< columns of a tile: channels of a head

/// Four floats more than a row holds: eight neighbouring rows then begin in different banks.
struct alignas(16) Tile {
  float v[side][wide + 4];
};
struct alignas(16) Square {
  float v[side][side + 4];
};

/// The threads of a block are 8 x 16. Of a square of sums a thread has rows 2 y and 2 y + 1 and columns x + 8
/// i, of a tile of sums the same rows and columns 4 x + 32 i to 4 x + 32 i + 3. A warp is 8 x 4 of them, in
/// an order in which lanes side by side have the same x and lanes two apart the same y: what they load 16
/// bytes at a time from shared memory is the same then, and fetched once.
constexpr int tile_threads = 128;
struct Thread {
  int x = int(threadIdx.x / 2 % 8), y = int(threadIdx.x / 16 * 2 + threadIdx.x % 2);
};

/// A head's matrix of T rows and c columns in device memory. `whole`: rows are read 16 bytes at a time.
struct Rows {
  const float* data;
  std::int64_t stride;
  int T, c;
  bool whole;
};

/// Rows from `row` and columns from `column` on, the first 32 alone of a matrix of no more; zeros beyond it.
__device__ inline void copy_tile(Tile& to, const Rows& from, int row, int column) {
  const int shift = from.c > wide / 2 ? 4 : 3;  // of a row's packs
  for (int i = int(threadIdx.x); i < side << shift; i += tile_threads) {
    const int r = i >> shift, k = (i - (r << shift)) * 4, left = from.c - column - k;
    Pack<float, 4> values{};
    if (row + r < from.T && left > 0) {
      const float* const at = from.data + (row + r) * from.stride + column + k;
      if (from.whole)
        values = load<float, 4>(at);
      else
#pragma unroll
        for (int j = 0; j < 4; ++j) values.v[j] = j < left ? at[j] : 0;
    }
    store(&to.v[r][k], values);
  }
}

/// sum += a b^T over the first `columns` columns.
__device__ inline void add_products(float (&sum)[2][4], const Tile& a, const Tile& b, int columns) {
  const Thread at;
#pragma unroll 2
  for (int k = 0; k < columns; k += 4) {
    Pack<float, 4> left[2], right[4];
#pragma unroll
    for (int r = 0; r < 2; ++r) left[r] = load<float, 4>(&a.v[2 * at.y + r][k]);
#pragma unroll
    for (int i = 0; i < 4; ++i) right[i] = load<float, 4>(&b.v[at.x + 8 * i][k]);
#pragma unroll
    for (int j = 0; j < 4; ++j)
#pragma unroll
      for (int r = 0; r < 2; ++r)
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[r][i] = fmaf(left[r].v[j], right[i].v[j], sum[r][i]);
  }
}

/// A thread's sums of a tile: row, half of the columns, column.
using Sums = float[2][2][4];

/// sum += w b over the first `rows` rows of b, a multiple of 4 or what lies beyond is zero; of the columns
/// one half or both.
template <int halves>
__device__ void add_mixed(Sums& sum, const Square& w, const Tile& b, int rows) {
  const Thread at;
  for (int j = 0; j < rows; j += 4) {
    Pack<float, 4> weight[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) weight[r] = load<float, 4>(&w.v[2 * at.y + r][j]);
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int half = 0; half < halves; ++half) {
        const Pack<float, 4> value = load<float, 4>(&b.v[j + i][4 * at.x + 32 * half]);
#pragma unroll
        for (int r = 0; r < 2; ++r)
#pragma unroll
          for (int k = 0; k < 4; ++k) sum[r][half][k] = fmaf(weight[r].v[i], value.v[k], sum[r][half][k]);
      }
  }
}

/// sum += w b for `parts` times 64 columns of b from `column` on, b's rows being those from `row` on. `tile`
/// holds the first `there` parts of b already, and is overwritten by the others.
template <int parts>
__device__ void add_mixed_parts(Sums (&sum)[parts], const Square& w, Tile& tile, const Rows& b, int row,
                                int column, int there) {
#pragma unroll
  for (int part = 0; part < parts; ++part) {
    const int left = b.c - column - part * wide;
    if (left <= 0) return;
    if (part >= there) {
      __syncthreads();  // what the tile held has been read
      copy_tile(tile, b, row, column + part * wide);
      __syncthreads();
    }
    if (left > wide / 2)
      add_mixed<2>(sum[part], w, tile, min(side, b.T - row));
    else
      add_mixed<1>(sum[part], w, tile, min(side, b.T - row));
  }
}

/// What a thread has of a sum, from `row` and `column` on, to the matrix that lies as `like` does.
template <int parts>
__device__ void store_parts(float* to, const Rows& like, int row, int column, const Sums (&sum)[parts]) {
  const Thread at;
#pragma unroll
  for (int part = 0; part < parts; ++part)
#pragma unroll
    for (int r = 0; r < 2; ++r)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int i = row + 2 * at.y + r, k = column + part * wide + 32 * half + 4 * at.x;
        if (i >= like.T || k >= like.c) continue;
        const float(&from)[4] = sum[part][r][half];
        float* const out = to + i * like.stride + k;
        if (like.whole)
          store(out, Pack<float, 4>{from[0], from[1], from[2], from[3]});
        else
#pragma unroll
          for (int j = 0; j < 4; ++j)
            if (k + j < like.c) out[j] = from[j];
      }
}

/// Over the 8 threads of a row, in each of them; always in the same order. All lanes of the warp call it.
__device__ inline float row_max(float value) {
  for (int distance = 8; distance > 1; distance /= 2)
    value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, distance));
  return value;
}
__device__ inline float row_sum(float value) {
  for (int distance = 8; distance > 1; distance /= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
  return value;
}

}  // namespace tweedie::cuda
