#include <cuda_runtime.h>

#include "kernels/cuda.hpp"
#include "kernels/pooling_windows.hpp"

namespace tweedie::cuda {
namespace {

using pooling::Plane;

// A plane's view of a tensor on the device: what kernels need of it.
struct Planes {
  const float* data;
  int H, W, b;
  Planes(View<const float> v) : data(v.data), H(v.H()), W(v.W()), b(v.b) {}
  __device__ Plane<const float> operator[](std::int64_t p) const {
    return {data + p / b * H * W * b + p % b, H, W, b};
  }
};

struct Maximum {
  PoolGeometry g;
  Planes x;
  __device__ float operator()(std::int64_t p, int h, int w) const { return pooling::maximum(g, x[p], h, w); }
};
struct MaximumBackward {
  PoolGeometry g;
  Planes dy, x;
  __device__ float operator()(std::int64_t p, int h, int w) const {
    return pooling::maximum_backward(g, dy[p], x[p], h, w);
  }
};
struct Average {
  PoolGeometry g;
  Planes x;
  __device__ float operator()(std::int64_t p, int h, int w) const { return pooling::average(g, x[p], h, w); }
};
struct AverageBackward {
  PoolGeometry g;
  Planes dy;
  int H, W;
  __device__ float operator()(std::int64_t p, int h, int w) const {
    return pooling::average_backward(g, dy[p], H, W, h, w);
  }
};

// One thread writes one value at a time in the order of memory; neighbours read neighbours.
template <class F>
__global__ void pool_kernel(float* y, std::int64_t size, int H, int W, int b, F f) {
  const std::int64_t step = std::int64_t(gridDim.x) * blockDim.x;
  for (std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < size; i += step) {
    const std::int64_t pixel = i / b, row = pixel / W;
    y[i] = f(row / H * b + i % b, int(row % H), int(pixel % W));
  }
}

template <class F>
void launch(Queue& q, const char* name, View<float> y, F f) {
  pool_kernel<<<grid_of_one_wave(y.size()), block_threads, 0, q.stream()>>>(y.data, y.size(), y.H(), y.W(),
                                                                            y.b, f);
  check_launch(name);
}

}  // namespace

void max_pool(Queue& q, View<float> y, View<const float> x, const PoolGeometry& g) {
  launch(q, "max_pool", y, Maximum{g, x});
}
void max_pool_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x,
                       const PoolGeometry& g) {
  launch(q, "max_pool_backward", dx, MaximumBackward{g, dy, x});
}
void average_pool(Queue& q, View<float> y, View<const float> x, const PoolGeometry& g) {
  launch(q, "average_pool", y, Average{g, x});
}
void average_pool_backward(Queue& q, View<float> dx, View<const float> dy, const PoolGeometry& g) {
  launch(q, "average_pool_backward", dx, AverageBackward{g, dy, dx.H(), dx.W()});
}

}  // namespace tweedie::cuda
