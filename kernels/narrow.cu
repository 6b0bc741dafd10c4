#include <cuda_runtime.h>

#include "kernels/narrow.hpp"
#include "kernels/pack.cuh"

namespace tweedie::cuda {
namespace {

/// y[i] = x[i], in packs of `width` and a tail of single values.
template <int width>
__global__ void narrow_kernel(bf16* y, const float* x, std::int64_t count) {
  const std::int64_t first = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t step = std::int64_t(gridDim.x) * blockDim.x;
  const std::int64_t packs = count / width;
  for (std::int64_t p = first; p < packs; p += step) {
    const Pack<float, width> from = load<float, width>(x + p * width);
    Pack<bf16, width> to;
#pragma unroll
    for (int k = 0; k < width; ++k) to.v[k] = bf16::rounded(from.v[k]);
    store(y + p * width, to);
  }
  for (std::int64_t i = packs * width + first; i < count; i += step) y[i] = bf16::rounded(x[i]);
}

}  // namespace

void narrow(Queue& q, View<bf16> y, View<const float> x) {
  const bool packed = aligned(y.data) && aligned(x.data);
  const unsigned blocks = grid_of_one_wave(packed ? y.size() / 4 + 1 : y.size());
  const auto kernel = packed ? narrow_kernel<4> : narrow_kernel<1>;
  kernel<<<blocks, block_threads, 0, q.stream()>>>(y.data, x.data, y.size());
  check_launch("narrow");
}

}  // namespace tweedie::cuda
