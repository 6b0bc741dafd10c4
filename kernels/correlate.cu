#include <cuda_runtime.h>

#include "kernels/correlate.hpp"
#include "kernels/cuda.hpp"

namespace tweedie::cuda {
namespace {

/// One thread, one output pixel: neighbours read neighbours, and all threads the same tap.
template <class T>
__global__ void correlate_kernel(T* y, const T* x, TapsView taps, std::int64_t size, int H, int W, int sign) {
  const std::int64_t step = std::int64_t(gridDim.x) * blockDim.x;
  for (std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < size; i += step) {
    const int w = int(i % W), h = int(i / W % H);
    T sum = 0;
    for (int k = 0; k < taps.count; ++k) {
      const int dh = sign * taps.dh[k], dw = sign * taps.dw[k];
      if (h + dh < 0 || h + dh >= H || w + dw < 0 || w + dw >= W) continue;
      sum = fma(taps.weight[k], x[i + std::int64_t(dh) * W + dw], sum);
    }
    y[i] = sum;
  }
}

}  // namespace

void correlate(Queue& q, View<float> y, View<const float> x, const TapsView& taps, int sign) {
  correlate_kernel<<<grid_of_one_wave(y.size()), block_threads, 0, q.stream()>>>(
      y.data, x.data, taps, y.size(), y.H(), y.W(), sign);
  check_launch("correlate");
}

}  // namespace tweedie::cuda
