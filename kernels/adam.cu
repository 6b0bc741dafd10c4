#include <cuda_runtime.h>

#include "kernels/adam_step.hpp"
#include "kernels/cuda.hpp"

namespace tweedie::cuda {
namespace {

__global__ void adamw_kernel(float* p, float* m, float* v, float* ema, float* g, std::int64_t count,
                             AdamWStep step) {
  const std::int64_t stride = std::int64_t(gridDim.x) * blockDim.x;
  for (std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride) {
    float value = p[i], first = m[i], second = v[i];
    step.parameter(value, first, second, g[i]);
    p[i] = value;
    m[i] = first;
    v[i] = second;
    g[i] = 0;
    if (ema) ema[i] = step.average(ema[i], value);
  }
}

}  // namespace

void adamw(Queue& q, View<float> p, View<float> m, View<float> v, View<float> ema, View<float> g,
           const AdamW& settings) {
  adamw_kernel<<<grid_of_one_wave(p.size()), block_threads, 0, q.stream()>>>(
      p.data, m.data, v.data, ema.data, g.data, p.size(), AdamWStep(settings));
  check_launch("adamw");
}

}  // namespace tweedie::cuda
