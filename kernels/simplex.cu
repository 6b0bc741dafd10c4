#include "kernels/pack.cuh"
#include "kernels/simplex.hpp"

namespace tweedie::cuda {
namespace {

// One block, one sample: a kernel has few pixels, and its passes then need no second launch.

__global__ void normalise_kernel(float* y, double* totals, const float* x, std::int64_t size) {
  const std::int64_t first = blockIdx.x * size;
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < size; i += block_threads) sum += 0.5 * (double(x[first + i]) + 1);
  sum = block_sum(sum);
  if (threadIdx.x == 0) totals[blockIdx.x] = sum;
  for (std::int64_t i = threadIdx.x; i < size; i += block_threads)
    y[first + i] = sum <= 0 ? float(1 / double(size)) : float(0.5 * (double(x[first + i]) + 1) / sum);
}

__global__ void normalise_backward_kernel(float* dx, const float* dy, const float* y, const double* totals,
                                          std::int64_t size) {
  const std::int64_t first = blockIdx.x * size;
  double product = 0;
  for (std::int64_t i = threadIdx.x; i < size; i += block_threads)
    product = fma(double(dy[first + i]), double(y[first + i]), product);
  product = block_sum(product);
  const double total = totals[blockIdx.x];
  for (std::int64_t i = threadIdx.x; i < size; i += block_threads)
    dx[first + i] = total <= 0 ? 0.f : float((double(dy[first + i]) - product) / (2 * total));
}

__global__ void project_kernel(float* y, const float* x, std::int64_t size) {
  const std::int64_t begin = blockIdx.x * size;
  double tau = 0, count = double(size) + 1;
  // Sums and counts are the same in every thread, and so is the number of rounds.
  for (bool first = true;; first = false) {
    double sum = 0, above = 0;
    for (std::int64_t i = threadIdx.x; i < size; i += block_threads)
      if (first || double(x[begin + i]) > tau) {
        sum += double(x[begin + i]);
        above += 1;
      }
    sum = block_sum(sum);
    above = block_sum(above);
    if (above == 0 || above >= count) break;
    count = above;
    tau = (sum - 1) / above;
  }
  for (std::int64_t i = threadIdx.x; i < size; i += block_threads)
    y[begin + i] = double(x[begin + i]) <= tau ? 0.f : float(double(x[begin + i]) - tau);
}

__global__ void sparsity_kernel(float* dx, const float* x, std::int64_t size, float scale, float offset,
                                float factor, float square) {
  const std::int64_t step = std::int64_t(gridDim.x) * blockDim.x;
  for (std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < size; i += step) {
    const float u = fmaf(scale, x[i], offset), sum = fmaf(u, u, square);
    const float slope = square == 0 ? 1.f : 2 * u * square / __fmul_rn(sum, sum);
    dx[i] = fmaf(factor, slope, dx[i]);
  }
}

}  // namespace

void normalise_to_simplex(Queue& q, View<float> y, View<double> totals, View<const float> x) {
  normalise_kernel<<<unsigned(x.N()), block_threads, 0, q.stream()>>>(y.data, totals.data, x.data,
                                                                      x.shape.sample());
  check_launch("normalise_to_simplex");
}

void normalise_to_simplex_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y,
                                   View<const double> totals) {
  normalise_backward_kernel<<<unsigned(dx.N()), block_threads, 0, q.stream()>>>(
      dx.data, dy.data, y.data, totals.data, dx.shape.sample());
  check_launch("normalise_to_simplex_backward");
}

void project_to_simplex(Queue& q, View<float> y, View<const float> x) {
  project_kernel<<<unsigned(x.N()), block_threads, 0, q.stream()>>>(y.data, x.data, x.shape.sample());
  check_launch("project_to_simplex");
}

void add_sparsity_gradient(Queue& q, View<float> dx, View<const float> x, float scale, float offset,
                           float weight, float width) {
  sparsity_kernel<<<grid_of_one_wave(dx.size()), block_threads, 0, q.stream()>>>(
      dx.data, x.data, dx.size(), scale, offset, weight * scale, width * width);
  check_launch("add_sparsity_gradient");
}

}  // namespace tweedie::cuda
