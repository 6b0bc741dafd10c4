// Kernels with one mistake each, and the same kernels without it. Blocks have 64 threads: two warps.
#include <cassert>

#include "tests/machine/ptx/kernels/kernels.hpp"

namespace tweedie::ptx::kernels {
namespace {

constexpr int threads = 64;

template <bool good>
__global__ void missing_barrier_kernel(float* out) {
  __shared__ float row[threads];
  row[threadIdx.x] = 0;
  __syncthreads();
  row[threadIdx.x] = float(threadIdx.x);
  if (good) __syncthreads();
  out[threadIdx.x] = row[threads - 1 - threadIdx.x];  // written by the other warp
}

// The second warp overwrites what the first may still be reading.
template <bool good>
__global__ void early_overwrite_kernel(float* out) {
  __shared__ float row[threads];
  row[threadIdx.x] = float(threadIdx.x);
  __syncthreads();
  if (threadIdx.x < 32) out[threadIdx.x] = row[threadIdx.x + 32];
  if (good) __syncthreads();
  if (threadIdx.x >= 32) row[threadIdx.x] = 0;
  __syncthreads();
  out[threadIdx.x + threads] = row[threadIdx.x];
}

template <bool good>
__global__ void divergent_barrier_kernel(float* out) {
  __shared__ float row[threads];
  row[threadIdx.x] = float(threadIdx.x);
  if (good) {
    __syncthreads();
  } else if (threadIdx.x % 2) {
    __syncthreads();
    out[0] = 1;
  } else {
    __syncthreads();
    out[1] = 2;
  }
  out[threadIdx.x] = row[threads - 1 - threadIdx.x];
}

template <bool good>
__global__ void skipped_barrier_kernel(float* out) {
  __shared__ float row[threads];
  row[threadIdx.x] = float(threadIdx.x);
  if (good || threadIdx.x < 40) __syncthreads();
  out[threadIdx.x] = row[threadIdx.x];
}

template <bool good>
__global__ void out_of_bounds_kernel(float* out, int n) {
  const int i = threadIdx.x;
  if (good ? i < n : i <= n) out[i] = 1;
}

template <bool good>
__global__ void misaligned_vector_kernel(float* out) {
  float* at = out + 4 * threadIdx.x + (good ? 0 : 1);
  *reinterpret_cast<float2*>(at) = make_float2(1, 2);
}

template <bool good>
__global__ void uninitialised_shared_kernel(float* out) {
  __shared__ float row[threads + 1];
  row[threadIdx.x] = 1;
  if (good && threadIdx.x == 0) row[threads] = 1;
  __syncthreads();
  out[threadIdx.x] = row[threadIdx.x + 1];
}

template <bool good>
__global__ void shared_out_of_bounds_kernel(float* out, int shift) {
  __shared__ float row[threads];
  row[threadIdx.x + (good ? 0 : shift)] = 1;
  __syncthreads();
  out[threadIdx.x] = row[threadIdx.x];
}

// Lanes of one warp exchange through shared memory: they too have to synchronise.
template <bool good>
__global__ void missing_warp_barrier_kernel(float* out) {
  __shared__ float row[threads];
  row[threadIdx.x] = 0;
  __syncthreads();
  row[threadIdx.x] = float(threadIdx.x);
  if (good) __syncwarp();
  out[threadIdx.x] = row[threadIdx.x ^ 1];
}

template <bool good>
__global__ void absent_lane_kernel(int* out) {
  const int lane = threadIdx.x % 32;
  int v = lane;
  if (good || lane < 16) v = __shfl_down_sync(good ? 0xffffffffu : 0xffffu, v, 1);
  out[threadIdx.x] = v;
}

template <bool good>
__global__ void failed_assert_kernel(int* out) {
  assert(good || threadIdx.x != 5);
  out[threadIdx.x] = 1;
}

template <bool good>
__global__ void endless_loop_kernel(int* out) {
  volatile int* flag = out;
  while (*flag == 0) {
    if (good) *flag = 1;
  }
}

__global__ void write_one_kernel(float* out) { out[threadIdx.x] = 1; }

}  // namespace

#define LAUNCH(name, ...)                                \
  do {                                                   \
    if (good)                                            \
      name##_kernel<true><<<1, threads>>>(__VA_ARGS__);  \
    else                                                 \
      name##_kernel<false><<<1, threads>>>(__VA_ARGS__); \
  } while (0)

void missing_barrier(float* out, bool good) { LAUNCH(missing_barrier, out); }
void early_overwrite(float* out, bool good) { LAUNCH(early_overwrite, out); }
void divergent_barrier(float* out, bool good) { LAUNCH(divergent_barrier, out); }
void skipped_barrier(float* out, bool good) { LAUNCH(skipped_barrier, out); }
void out_of_bounds(float* out, int n, bool good) { LAUNCH(out_of_bounds, out, n); }
void misaligned_vector(float* out, bool good) { LAUNCH(misaligned_vector, out); }
void uninitialised_shared(float* out, bool good) { LAUNCH(uninitialised_shared, out); }
void shared_out_of_bounds(float* out, bool good) { LAUNCH(shared_out_of_bounds, out, 4); }
void missing_warp_barrier(float* out, bool good) { LAUNCH(missing_warp_barrier, out); }
void absent_lane(int* out, bool good) { LAUNCH(absent_lane, out); }
void failed_assert(int* out, bool good) { LAUNCH(failed_assert, out); }
void endless_loop(int* out, bool good) { LAUNCH(endless_loop, out); }
void write_one(float* out) { write_one_kernel<<<1, threads>>>(out); }

}  // namespace tweedie::ptx::kernels
