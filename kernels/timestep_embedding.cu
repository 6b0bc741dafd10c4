#include <cuda_runtime.h>

#include <cmath>

#include "kernels/cuda.hpp"
#include "kernels/timestep_embedding.hpp"

namespace tweedie::cuda {
namespace {

template <class T>
__global__ void timestep_embedding_kernel(T* y, const T* t, std::int64_t count, int half, double log_period) {
  const std::int64_t step = std::int64_t(gridDim.x) * blockDim.x;
  for (std::int64_t k = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; k < count; k += step) {
    const std::int64_t n = k / half;
    const int i = int(k % half);
    const double angle = t[n] * exp(-log_period * i / half);
    // In half turns: no table of the digits of pi is needed to reduce a large angle.
    constexpr double inverse_pi = 0.31830988618379067154;
    double sine, cosine;
    sincospi(angle * inverse_pi, &sine, &cosine);
    y[n * 2 * half + i] = T(cosine);
    y[n * 2 * half + half + i] = T(sine);
  }
}

}  // namespace

void timestep_embedding(Queue& q, View<float> y, View<const float> t, float max_period) {
  if (y.size() == 0) return;
  const int half = y.C() / 2;
  const std::int64_t count = std::int64_t(y.N()) * half;
  timestep_embedding_kernel<<<grid_of_one_wave(count), block_threads, 0, q.stream()>>>(
      y.data, t.data, count, half, std::log(double(max_period)));
  check_launch("timestep_embedding");
}

}  // namespace tweedie::cuda
