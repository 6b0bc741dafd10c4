#include "tests/machine/ptx/kernels/kernels.hpp"

namespace tweedie::ptx::kernels {
namespace {

constexpr unsigned everyone = 0xffffffffu;
__device__ int index() { return blockIdx.x * blockDim.x + threadIdx.x; }

__device__ float warp_sum(float v) {
  for (int offset = 16; offset > 0; offset >>= 1) v += __shfl_down_sync(everyone, v, offset);
  return v;
}

__global__ void row_sums_kernel(float* sums, const float* in, int length) {
  __shared__ float partial[32];
  const float* row = in + size_t(blockIdx.x) * length;
  float v = 0;
  for (int i = threadIdx.x; i < length; i += blockDim.x) v += row[i];
  v = warp_sum(v);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = v;
  __syncthreads();
  if (threadIdx.x < 32) {
    v = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0.0f;
    v = warp_sum(v);
    if (threadIdx.x == 0) sums[blockIdx.x] = v;
  }
}

__global__ void collatz_kernel(int* steps, const int* start, int n) {
  const int i = index();
  if (i >= n) return;
  int count = 0;
  for (int v = start[i]; v != 1 && count < 1000; ++count) {
    if (v & 1)
      v = 3 * v + 1;
    else
      v /= 2;
  }
  steps[i] = count;
}

__global__ void branches_kernel(int* out, const int* in, int n) {
  const int i = index();
  if (i >= n) return;
  const int v = in[i];
  int r = 0;
  if (v & 1) {
    if (v & 2)
      r = 10;
    else {
      for (int k = 0; k < (v & 7); ++k) {
        if (k == 5) break;
        r += k * v;
      }
    }
  } else {
    switch (v & 14) {
      case 0:
        r = 5;
        break;
      case 2:
        r = v * 3;  // falls through
      case 4:
        r ^= 77;
        break;
      case 8:
        out[i] = -1;
        return;
      default:
        r = -v;
    }
  }
  out[i] = r + __popc(__activemask()) / 33;  // + 0: at most 32 lanes
}

__global__ void votes_kernel(unsigned* out, const int* in) {
  const int lane = threadIdx.x, v = in[lane];
  unsigned* mine = out + lane * 8;
  mine[0] = __ballot_sync(everyone, v > 0);
  mine[1] = __all_sync(everyone, v > -100) * 2 + __any_sync(everyone, v == in[7]);
  mine[2] = __match_any_sync(everyone, v & 3);
  mine[3] = __reduce_add_sync(everyone, unsigned(lane));
  mine[4] = unsigned(__reduce_max_sync(everyone, v));
  mine[5] = __shfl_sync(everyone, v, lane * 7, 8);
  mine[6] = __shfl_up_sync(everyone, v, 3, 16);
  mine[7] = 0;
  if (lane & 1) mine[7] = __shfl_xor_sync(0xaaaaaaaau, v, 6);  // the odd lanes among themselves
}

__global__ void critical_section_kernel(int* lock, int n) {
  bool done = false;
  while (!done) {
    if (atomicExch(lock, 1) == 0) {
      volatile int* total = lock + 1;
      *total = *total + n;
      __threadfence();
      atomicExch(lock, 0);
      done = true;
    }
  }
}

}  // namespace

void row_sums(float* sums, const float* in, int rows, int length) {
  row_sums_kernel<<<rows, 128>>>(sums, in, length);
}
void collatz(int* steps, const int* start, int n) { collatz_kernel<<<(n + 63) / 64, 64>>>(steps, start, n); }
void branches(int* out, const int* in, int n) { branches_kernel<<<(n + 63) / 64, 64>>>(out, in, n); }
void votes(unsigned* out, const int* in) { votes_kernel<<<1, 32>>>(out, in); }
void critical_section(int* lock_and_total, int n) { critical_section_kernel<<<2, 96>>>(lock_and_total, n); }

}  // namespace tweedie::ptx::kernels
