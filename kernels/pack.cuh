// What the CUDA bodies that walk over rows of channels or pixels share: 16-byte accesses and a launch
// geometry of rows by columns.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "kernels/cuda.hpp"
#include "kernels/map.hpp"

namespace tweedie::cuda {

/// `width` neighbouring values moved as one access; 16 bytes are the most a thread can move at once.
template <class T, int width>
struct alignas(width * sizeof(T)) Pack {
  T v[width];
};

template <class T, int width>
__device__ inline Pack<T, width> load(const T* from) {
  return *reinterpret_cast<const Pack<T, width>*>(from);
}
template <class T, int width>
__device__ inline void store(T* to, const Pack<T, width>& values) {
  *reinterpret_cast<Pack<T, width>*>(to) = values;
}

template <class T, int width>
__device__ inline Pack<float, width> as_floats(const Pack<T, width>& from) {
  Pack<float, width> to;
#pragma unroll
  for (int k = 0; k < width; ++k) to.v[k] = float(from.v[k]);
  return to;
}

/// Whether all pointers (null counts as well) allow 16-byte accesses.
template <class... T>
bool aligned(const T*... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...);
}

/// Threads of a block and blocks of a grid for `rows` times `columns` items: x over columns, y over rows.
/// The grid is capped, so loops over both must stride.
struct RowGrid {
  dim3 blocks, threads;
  RowGrid(std::int64_t rows, std::int64_t columns) {
    unsigned width = 1;
    while (width < columns && width < block_threads) width *= 2;
    threads = dim3(width, block_threads / width);
    blocks = dim3(unsigned(std::clamp<std::int64_t>((columns + width - 1) / width, 1, 4096)),
                  unsigned(std::clamp<std::int64_t>((rows + threads.y - 1) / threads.y, 1, 65535)));
  }
};

/// The sum of `value` over a warp, in every lane; always the same pairs in the same order. All lanes call it.
template <class T>
__device__ inline T warp_sum(T value) {
  for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
  return value;
}

/// The sum of `value` over a block of `block_threads`, in every thread; always in the same order. All threads
/// call it.
__device__ inline double block_sum(double value) {
  __shared__ double shared[block_threads / 32];
  value = warp_sum(value);
  __syncthreads();  // an earlier sum has been read
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
  __syncthreads();
  value = 0;
  for (int warp = 0; warp < block_threads / 32; ++warp) value += shared[warp];
  return value;
}

}  // namespace tweedie::cuda
