#include <cuda_runtime.h>

#include "kernels/cuda.hpp"
#include "kernels/philox.hpp"
#include "kernels/random.hpp"

namespace tweedie::cuda {
namespace {

struct Normals {
  __device__ float4 operator()(const philox::Block& bits) const {
    const philox::Pair a = philox::normals(bits.lane[0], bits.lane[1]);
    const philox::Pair b = philox::normals(bits.lane[2], bits.lane[3]);
    return make_float4(a.first, a.second, b.first, b.second);
  }
};

struct Uniforms {
  __device__ float4 operator()(const philox::Block& bits) const {
    return make_float4(philox::unit(bits.lane[0]), philox::unit(bits.lane[1]), philox::unit(bits.lane[2]),
                       philox::unit(bits.lane[3]));
  }
};

/// One thread, one counter, four values: stored at once where y is planar and aligned (`packed`).
template <class T, class Distribution>
__global__ void draw_kernel(T* y, std::int64_t size, std::int64_t plane, int b, std::uint64_t seed,
                            std::uint64_t offset, bool packed, Distribution distribution) {
  const std::int64_t step = std::int64_t(gridDim.x) * blockDim.x;
  for (std::int64_t k = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; 4 * k < size; k += step) {
    const float4 four = distribution(philox::block(offset + std::uint64_t(k), 0, seed));
    if (packed && 4 * k + 3 < size) {
      reinterpret_cast<float4*>(y)[k] = four;
      continue;
    }
    const float values[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int lane = 0; lane < 4; ++lane) {
      const std::int64_t i = 4 * k + lane;
      if (i >= size) break;
      // Channel c of sample n is row n C + c of the planar order; b divides C.
      const std::int64_t row = i / plane, pixel = i % plane;
      y[(row / b * plane + pixel) * b + row % b] = T(values[lane]);
    }
  }
}

template <class Distribution>
void draw(Queue& q, const char* name, View<float> y, std::uint64_t seed, std::uint64_t offset,
          Distribution distribution) {
  if (y.size() == 0) return;
  const bool packed = y.b == 1 && reinterpret_cast<std::uintptr_t>(y.data) % sizeof(float4) == 0;
  const unsigned blocks = grid_of_one_wave((y.size() + 3) / 4);
  draw_kernel<<<blocks, block_threads, 0, q.stream()>>>(y.data, y.size(), y.shape.plane(), y.b, seed, offset,
                                                        packed, distribution);
  check_launch(name);
}

}  // namespace

void normal(Queue& q, View<float> y, std::uint64_t seed, std::uint64_t offset) {
  draw(q, "normal", y, seed, offset, Normals{});
}

void uniform(Queue& q, View<float> y, std::uint64_t seed, std::uint64_t offset) {
  draw(q, "uniform", y, seed, offset, Uniforms{});
}

}  // namespace tweedie::cuda
