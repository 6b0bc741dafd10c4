#include <cuda_runtime.h>

#include "kernels/cuda.hpp"
#include "kernels/hartley.hpp"

namespace tweedie::cuda {
namespace {

using Complex = std::complex<float>;

__device__ std::int64_t first_item() { return std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ std::int64_t item_step() { return std::int64_t(gridDim.x) * blockDim.x; }

/// The row of frequency -k in the plane of this row of frequency k.
__device__ std::int64_t mirrored(std::int64_t row, int H) {
  const int k = int(row % H);
  return k == 0 ? row : row - k + (H - k);
}

__global__ void from_half_kernel(float* c, const float2* z, std::int64_t size, int H, int W, float scale) {
  const int half = W / 2 + 1;
  for (std::int64_t i = first_item(); i < size; i += item_step()) {
    const std::int64_t row = i / W;
    const int l = int(i % W);
    const float2 value = l < half ? z[row * half + l] : z[mirrored(row, H) * half + (W - l)];
    c[i] = scale * (l < half ? value.x - value.y : value.x + value.y);
  }
}

__global__ void from_hartley_kernel(float2* z, const float* c, std::int64_t size, int H, int W,
                                    float factor) {
  const int half = W / 2 + 1;
  for (std::int64_t i = first_item(); i < size; i += item_step()) {
    const std::int64_t row = i / half;
    const int l = int(i % half);
    const float plus = c[row * W + l], minus = c[mirrored(row, H) * W + (l == 0 ? 0 : W - l)];
    z[i] = make_float2(factor * (plus + minus), factor * (minus - plus));
  }
}

}  // namespace

void hartley_from_half(Queue& q, View<float> c, View<const Complex> z, float scale) {
  from_half_kernel<<<grid_of_one_wave(c.size()), block_threads, 0, q.stream()>>>(
      c.data, reinterpret_cast<const float2*>(z.data), c.size(), c.H(), c.W(), scale);
  check_launch("hartley_from_half");
}

void half_from_hartley(Queue& q, View<Complex> z, View<const float> c, float scale) {
  from_hartley_kernel<<<grid_of_one_wave(z.size()), block_threads, 0, q.stream()>>>(
      reinterpret_cast<float2*>(z.data), c.data, z.size(), c.H(), c.W(), 0.5f * scale);
  check_launch("half_from_hartley");
}

}  // namespace tweedie::cuda
