#include <cuda_runtime.h>

#include "kernels/coefficients.hpp"
#include "kernels/cuda.hpp"

namespace tweedie::cuda {
namespace {

/// y[i] = f(x[i], s[i]), s repeated from its beginning. y may be x: a thread reads what it overwrites.
template <class F>
__global__ void map_kernel(float* y, const float* x, const float* s, std::int64_t size, std::int64_t period,
                           F f) {
  const std::int64_t first = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t step = std::int64_t(gridDim.x) * blockDim.x;
  for (std::int64_t i = first; i < size; i += step) y[i] = f(x[i], s[i % period]);
}

template <class F>
void map(Queue& q, const char* name, View<float> y, View<const float> x, View<const float> s, F f) {
  map_kernel<<<grid_of_one_wave(y.size()), block_threads, 0, q.stream()>>>(y.data, x.data, s.data, y.size(),
                                                                           s.size(), f);
  check_launch(name);
}

struct Filtered {
  Filter g;
  __device__ float operator()(float value, float sigma) const {
    const float below = g.a * sigma * sigma + g.b;
    return sigma > g.above && below != 0 ? value * ((g.power == 1 ? sigma : 1.f) / below) : 0.f;
  }
};

struct Quantised {
  __device__ float operator()(float value, float step) const { return step * roundf(value / step); }
};

}  // namespace

void filter(Queue& q, View<float> y, View<const float> x, View<const float> s, const Filter& g) {
  map(q, "filter", y, x, s, Filtered{g});
}

void quantise(Queue& q, View<float> y, View<const float> x, View<const float> t) {
  map(q, "quantise", y, x, t, Quantised{});
}

}  // namespace tweedie::cuda
