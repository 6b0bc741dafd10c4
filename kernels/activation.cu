#include <cuda_runtime.h>

#include "kernels/activation.hpp"
#include "kernels/pack.cuh"

namespace tweedie::cuda {
namespace {

struct LeakyRelu {
  float slope;
  __device__ float operator()(float value, float at) const { return at > 0 ? value : slope * value; }
};
struct Tanh {
  __device__ float operator()(float, float at) const { return tanhf(at); }
};
struct TanhBackward {
  __device__ float operator()(float value, float at) const { return value * fmaf(-at, at, 1.f); }
};

/// y[i] = f(value[i], at[i]), in packs of `width` and a tail of single values.
template <class T, int width, class F>
__global__ void map_kernel(T* y, const T* value, const T* at, std::int64_t count, F f) {
  const std::int64_t first = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t step = std::int64_t(gridDim.x) * blockDim.x;
  const std::int64_t packs = count / width;
  for (std::int64_t p = first; p < packs; p += step) {
    Pack<T, width> a = load<T, width>(value + p * width);
    const Pack<T, width> b = load<T, width>(at + p * width);
#pragma unroll
    for (int k = 0; k < width; ++k) a.v[k] = f(a.v[k], b.v[k]);
    store(y + p * width, a);
  }
  for (std::int64_t i = packs * width + first; i < count; i += step) y[i] = f(value[i], at[i]);
}

template <class F>
void map(Queue& q, const char* name, View<float> y, View<const float> value, View<const float> at, F f) {
  if (y.size() == 0) return;
  const bool packed = aligned(y.data, value.data, at.data);
  const unsigned blocks = grid_of_one_wave(packed ? y.size() / 4 + 1 : y.size());
  const auto kernel = packed ? map_kernel<float, 4, F> : map_kernel<float, 1, F>;
  kernel<<<blocks, block_threads, 0, q.stream()>>>(y.data, value.data, at.data, y.size(), f);
  check_launch(name);
}

}  // namespace

void leaky_relu(Queue& q, View<float> y, View<const float> x, float slope) {
  map(q, "leaky_relu", y, x, x, LeakyRelu{slope});
}

void leaky_relu_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y, float slope) {
  map(q, "leaky_relu_backward", dx, dy, y, LeakyRelu{slope});
}

void tanh_forward(Queue& q, View<float> y, View<const float> x) { map(q, "tanh_forward", y, x, x, Tanh{}); }

void tanh_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y) {
  map(q, "tanh_backward", dx, dy, y, TanhBackward{});
}

}  // namespace tweedie::cuda
