#include <cuda_runtime.h>

#include "tests/machine/ptx/kernels/kernels.hpp"

namespace tweedie::ptx::kernels {
namespace {

__constant__ float scale[2];
__device__ int launch_counter;

__device__ int index() { return blockIdx.x * blockDim.x + threadIdx.x; }

__global__ void transpose_kernel(float* out, const float* in, int width, int height) {
  __shared__ float tile[32][33];
  const int x = blockIdx.x * 32, y = blockIdx.y * 32;
  for (int j = threadIdx.y; j < 32; j += 8)
    if (x + threadIdx.x < width && y + j < height)
      tile[j][threadIdx.x] = in[(y + j) * width + x + threadIdx.x];
  __syncthreads();
  for (int j = threadIdx.y; j < 32; j += 8)
    if (y + threadIdx.x < height && x + j < width)
      out[(x + j) * height + y + threadIdx.x] = tile[threadIdx.x][j];
}

__global__ void reverse_rows_kernel(float* out, const float* in) {
  extern __shared__ float row[];
  __shared__ int first;  // static beside dynamic
  if (threadIdx.x == 0) first = blockIdx.x * blockDim.x;
  row[threadIdx.x] = in[index()];
  __syncthreads();
  out[first + threadIdx.x] = row[blockDim.x - 1 - threadIdx.x];
}

__global__ void histogram_kernel(unsigned* bins, const int* values, int n) {
  __shared__ unsigned counts[16];
  if (threadIdx.x < 16) counts[threadIdx.x] = 0;
  __syncthreads();
  for (int i = index(); i < n; i += gridDim.x * blockDim.x) atomicAdd(&counts[values[i] & 15], 1u);
  __syncthreads();
  if (threadIdx.x < 16) atomicAdd(&bins[threadIdx.x], counts[threadIdx.x]);
}

__global__ void scaled_kernel(float* out, const float* in, int n) {
  const int i = index();
  if (i == 0) launch_counter += 1;
  if (i < n) out[i] = in[i] * scale[i & 1];
}

// Neighbouring threads write the two halves of one 32-bit word: no race.
__global__ void halves_kernel(uint16_t* out, const uint16_t* in) {
  __shared__ uint16_t row[64];
  row[threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = row[threadIdx.x ^ 33];
}

__device__ __noinline__ int pick(const int* table, int k) { return table[k & 15]; }

__global__ void local_kernel(int* out, int n) {
  const int i = index();
  int table[16];
  for (int k = 0; k < 16; ++k) table[(k * 5 + i) & 15] = k;
  if (i < n) out[i] = pick(table, i * 3);
}

}  // namespace

void transpose(float* out, const float* in, int width, int height) {
  transpose_kernel<<<dim3((width + 31) / 32, (height + 31) / 32), dim3(32, 8)>>>(out, in, width, height);
}
void reverse_rows(float* out, const float* in, int rows, int length) {
  reverse_rows_kernel<<<rows, length, length * sizeof(float)>>>(out, in);
}
void histogram(unsigned* bins, const int* values, int n) { histogram_kernel<<<4, 128>>>(bins, values, n); }
void scaled_by_constant(float* out, const float* in, int n) {
  scaled_kernel<<<(n + 63) / 64, 64>>>(out, in, n);
}
void set_scale(float even, float odd) {
  const float values[2] = {even, odd};
  cudaMemcpyToSymbol(scale, values, sizeof values);
}
int launches_counted() {
  int count = -1;
  cudaMemcpyFromSymbol(&count, launch_counter, sizeof count);
  return count;
}
void neighbours_in_halves(std::uint16_t* out, const std::uint16_t* in) { halves_kernel<<<1, 64>>>(out, in); }
void local_permutation(int* out, int n) { local_kernel<<<(n + 63) / 64, 64>>>(out, n); }

}  // namespace tweedie::ptx::kernels
