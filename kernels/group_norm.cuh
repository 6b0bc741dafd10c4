// What the stages of group norm share: how blocks are cut, what a thread works on, channels' coefficients.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/group_norm.hpp"
#include "kernels/pack.cuh"
#include "kernels/resample.cuh"

namespace tweedie::cuda {

// A thread block owns up to `threads_x` packs of neighbouring channels of one channel block and a chunk of
// pixels; a thread keeps its pack of channels, so their coefficients are loaded once. The cut depends on the
// shape alone, so the sums do not depend on the GPU. Two sums per channel leave each block (stage one), a
// small kernel combines those of a group in double (stage two), and a last one writes.
struct Tiling {
  int N, C, b, blocks, tiles, chunks, threads_x, threads_y, width;
  std::int64_t plane, chunk_pixels;

  Tiling(const Shape& x, int block, bool packed)
      : N(x.N), C(x.C), b(block), blocks(x.C / block), width(packed ? 4 : 1), plane(x.plane()) {
    const int columns = b / width;
    threads_x = std::min(columns, block_threads);
    threads_y = block_threads / threads_x;
    tiles = (columns + threads_x - 1) / threads_x;
    // Some 1024 blocks fill any GPU and leave each thread pixels enough to repay loading its coefficients; 64
    // pixels to a thread is as long a float sum as stays accurate.
    const std::int64_t wanted_chunks = std::max<std::int64_t>(1, 1024 / (std::int64_t(N) * blocks * tiles));
    const std::int64_t per_thread = plane / (wanted_chunks * threads_y) + 1;
    chunk_pixels = std::clamp<std::int64_t>(per_thread, 4, 64) * threads_y;
    chunks = int((plane + chunk_pixels - 1) / chunk_pixels);
  }
  std::int64_t partials() const { return std::int64_t(N) * C * chunks; }
  unsigned grid() const {
    const std::int64_t count = std::int64_t(N) * blocks * tiles * chunks;
    require(count < (std::int64_t(1) << 31), "group_norm: the tensor is too large for one launch");
    return unsigned(count);
  }
  dim3 threads() const { return dim3(unsigned(threads_x), unsigned(threads_y)); }
};

/// The cut of small maps: a block has a sample's group to itself, so one launch does what takes three
/// otherwise. A group is read twice, the second time from the L2 cache: 32 groups of this size are 8 MiB. By
/// estimate a block takes no longer for its group than two launches more would. This cut depends on the shape
/// alone, too.
struct WholeGroup {
  static constexpr int most_threads = 512;
  static constexpr std::int64_t most_bytes = 256 * 1024;
  bool fits;
  dim3 threads;
  unsigned blocks;

  WholeGroup(const Tiling& t, int groups) : blocks(unsigned(t.N) * unsigned(groups)) {
    const int channels = t.C / groups, columns = channels / t.width;
    fits = t.b % channels == 0 && channels % t.width == 0 && columns <= most_threads &&
           channels * t.plane * std::int64_t(sizeof(float)) <= most_bytes;
    if (!fits) return;
    const auto rows = std::min<std::int64_t>(most_threads / columns, t.plane);
    threads = dim3(unsigned(columns), unsigned(rows));
  }
};

/// What a thread of such a block works on.
struct Place {
  int n, c, column, chunk;
  bool active;
  std::int64_t block;  ///< of channels, counted over all samples
  std::int64_t base;   ///< offset of the thread's channels at pixel 0
  std::int64_t begin, end;

  Place() = default;
  __device__ explicit Place(const Tiling& t) {
    std::int64_t index = blockIdx.x;
    chunk = int(index % t.chunks);
    index /= t.chunks;
    column = (int(index % t.tiles) * t.threads_x + int(threadIdx.x)) * t.width;
    index /= t.tiles;
    n = int(index / t.blocks);
    c = int(index % t.blocks) * t.b + column;
    active = column < t.b;
    block = index;
    base = offset(t, t.plane);
    begin = chunk * t.chunk_pixels + threadIdx.y;
    const std::int64_t stop = (chunk + 1) * t.chunk_pixels;
    end = stop < t.plane ? stop : t.plane;
  }
  /// The pixels and channels of a thread in a block that has a group to itself (`WholeGroup`).
  __device__ static Place of_group(const Tiling& t, int groups) {
    Place at;
    const int channels = t.C / groups;
    at.n = int(blockIdx.x) / groups;
    at.c = int(blockIdx.x) % groups * channels + int(threadIdx.x) * t.width;
    at.column = at.c % t.b;
    at.chunk = 0;
    at.active = true;
    at.block = std::int64_t(at.n) * t.blocks + at.c / t.b;
    at.base = at.offset(t, t.plane);
    at.begin = threadIdx.y;
    at.end = t.plane;
    return at;
  }
  /// Offset of the thread's channels at pixel 0 of a map that has `plane` pixels instead.
  __device__ std::int64_t offset(const Tiling& t, std::int64_t plane) const {
    return block * plane * t.b + column;
  }
  /// Where the sums of channel c + k of this chunk lie: (N, chunks, C), so that neighbours write side by
  /// side.
  __device__ std::int64_t partial(const Tiling& t, int k) const {
    return (std::int64_t(n) * t.chunks + chunk) * t.C + c + k;
  }
};

/// A thread's channels at pixel 0 of a map, and how far apart its pixels are.
template <class T>
struct Strip {
  T* data;
  int step;
};

/// A map of t.C channels in two tensors: the first of them in one, the others, if any, in another.
template <class T>
struct Parts {
  T *first = nullptr, *second = nullptr;
  int channels = 0, first_b = 0, second_b = 0;  ///< channels of the first, blocks of both

  __device__ Strip<T> strip(const Tiling& t, const Place& at, std::int64_t plane) const {
    if (at.c < channels) return part(first, first_b, at.n * (channels / first_b), at.c, plane);
    return part(second, second_b, at.n * ((t.C - channels) / second_b), at.c - channels, plane);
  }

 private:
  __device__ static Strip<T> part(T* data, int b, int blocks, int c, std::int64_t plane) {
    return {data + (blocks + c / b) * plane * b + c % b, b};
  }
};

__device__ inline float channel_weight(const GroupNormParameters& p, int n, int C, int c) {
  return p.scale_shift ? p.gamma[c] * (1.0f + p.scale_shift[std::int64_t(n) * 2 * C + c]) : p.gamma[c];
}

/// h = (x - mean) scale + shift for the channels of one thread; k0 and k1 in the backward pass.
template <int width>
struct Coefficients {
  float mean[width], scale[width], shift[width], k0[width], k1[width];

  __device__ Coefficients(const Tiling& t, const Place& at, const GroupNormParameters& p, const float* stats,
                          const float2* terms) {
    const int group_channels = t.C / p.groups;
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const int c = at.c + k;
      const std::int64_t group = std::int64_t(at.n) * p.groups + c / group_channels;
      mean[k] = p.x_bias ? stats[2 * group] - p.x_bias[c] : stats[2 * group];
      scale[k] = stats[2 * group + 1] * channel_weight(p, at.n, t.C, c);
      shift[k] = p.beta[c];
      if (p.scale_shift) {
        const float* modulation = p.scale_shift + std::int64_t(at.n) * 2 * t.C;
        shift[k] = fmaf(shift[k], 1.0f + modulation[c], modulation[t.C + c]);
      }
      k0[k] = terms ? terms[group].x : 0;
      k1[k] = terms ? terms[group].y : 0;
    }
  }
};

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

/// dh = dy silu'(h), silu'(h) = s (1 + h (1 - s)) with s = sigmoid(h).
template <bool with_silu>
__device__ float before_silu(float dy, float difference, float scale, float shift) {
  if (!with_silu) return dy;
  const float h = fmaf(difference, scale, shift), s = sigmoid(h);
  return dy * s * fmaf(h, 1.0f - s, 1.0f);
}

/// Sums `values` over threadIdx.y; the result is in the threads with threadIdx.y == 0. All threads call it.
template <class Sum, int count>
__device__ void sum_over_y(Sum (&values)[count]) {
  __shared__ Sum shared[count][block_threads];
  const unsigned y = threadIdx.y, rows = blockDim.y, i = y * blockDim.x + threadIdx.x;
#pragma unroll
  for (int k = 0; k < count; ++k) shared[k][i] = values[k];
  unsigned half = 1;
  while (half < rows) half *= 2;
  for (half /= 2; half > 0; half /= 2) {
    __syncthreads();
    if (y < half && y + half < rows) {
#pragma unroll
      for (int k = 0; k < count; ++k) shared[k][i] += shared[k][i + half * blockDim.x];
    }
  }
#pragma unroll
  for (int k = 0; k < count; ++k) values[k] = shared[k][i];
}

/// The sum of `value` over a block of WholeGroup, in every thread; always in the same order. All threads call
/// it.
__device__ inline double2 sum_whole_block(double2 value) {
  __shared__ double2 shared[WholeGroup::most_threads];
  const unsigned count = blockDim.x * blockDim.y, i = threadIdx.y * blockDim.x + threadIdx.x;
  shared[i] = value;
  unsigned half = 1;
  while (half < count) half *= 2;
  for (half /= 2; half > 0; half /= 2) {
    __syncthreads();
    if (i < half && i + half < count) {
      shared[i].x += shared[i + half].x;
      shared[i].y += shared[i + half].y;
    }
  }
  __syncthreads();
  return shared[0];
}

}  // namespace tweedie::cuda
