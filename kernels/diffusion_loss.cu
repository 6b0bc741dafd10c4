#include <cuda_runtime.h>

#include "kernels/diffusion_terms.hpp"
#include "kernels/pack.cuh"

namespace tweedie::cuda {
namespace {

constexpr std::int64_t chunk = 1 << 12;

// Stage one: a block sums one chunk of one sample. The cut depends on the sample's size alone.
__global__ void loss_chunks(double2* partial, float* gradient, const float* output, const float* x_start,
                            const float* x_t, const float* noise, const DiffusionLossRow* rows,
                            std::int64_t count, std::int64_t wide, std::int64_t chunks) {
  const std::int64_t n = blockIdx.x / chunks, begin = blockIdx.x % chunks * chunk;
  const std::int64_t end = begin + chunk < count ? begin + chunk : count;
  const bool learned = wide != count;
  const DiffusionLossRow row = rows[n];
  const double share = 1.0 / double(count);
  double mse = 0, vb = 0;
  for (std::int64_t i = begin + threadIdx.x; i < end; i += block_threads) {
    const std::int64_t at = n * count + i, out = n * wide + i;
    const double v = learned ? output[out + count] : 0;
    const DiffusionTerms r = diffusion_terms(row, learned, output[out], v, x_start[at], x_t[at], noise[at]);
    mse += r.mse;
    vb += r.vb;
    gradient[out] = float(share * r.by_eps);
    if (learned) gradient[out + count] = float(share * r.by_v);
  }
  __shared__ double2 shared[block_threads / 32];
  mse = warp_sum(mse);
  vb = warp_sum(vb);
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = make_double2(mse, vb);
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int warp = 1; warp < block_threads / 32; ++warp) {
    mse += shared[warp].x;
    vb += shared[warp].y;
  }
  partial[blockIdx.x] = make_double2(mse, vb);
}

// Stage two: one thread a sample.
__global__ void add_chunks(double* terms, const double2* partial, int N, std::int64_t count,
                           std::int64_t chunks) {
  const int n = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (n >= N) return;
  double mse = 0, vb = 0;
  for (std::int64_t k = n * chunks; k < (n + 1) * chunks; ++k) {
    mse += partial[k].x;
    vb += partial[k].y;
  }
  terms[2 * n] = mse / double(count);
  terms[2 * n + 1] = vb / double(count);
}

__global__ void q_sample_kernel(float* y, const float* x, const float* noise, const double* factors,
                                std::int64_t count, std::int64_t total) {
  const std::int64_t step = std::int64_t(gridDim.x) * blockDim.x;
  for (std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < total; i += step) {
    const std::int64_t n = i / count;
    y[i] = float(factors[2 * n] * x[i] + factors[2 * n + 1] * noise[i]);
  }
}

}  // namespace

void q_sample(Queue& q, View<float> y, View<const float> x, View<const float> noise,
              View<const double> factors) {
  q_sample_kernel<<<grid_of_one_wave(y.size()), block_threads, 0, q.stream()>>>(
      y.data, x.data, noise.data, factors.data, x.shape.sample(), y.size());
  check_launch("q_sample");
}

void diffusion_loss(Queue& q, View<float> gradient, View<double> terms, View<const float> output,
                    View<const float> x_start, View<const float> x_t, View<const float> noise,
                    View<const double> rows) {
  const std::int64_t count = x_start.shape.sample(), chunks = (count + chunk - 1) / chunk;
  const std::int64_t blocks = x_start.N() * chunks;
  require(blocks < (std::int64_t(1) << 31), "diffusion_loss: the batch is too large for one launch");
  auto* const partial = static_cast<double2*>(q.scratch(std::size_t(blocks) * sizeof(double2)));
  loss_chunks<<<unsigned(blocks), block_threads, 0, q.stream()>>>(
      partial, gradient.data, output.data, x_start.data, x_t.data, noise.data,
      reinterpret_cast<const DiffusionLossRow*>(rows.data), count, output.shape.sample(), chunks);
  check_launch("diffusion_loss loss_chunks");
  add_chunks<<<grid_for(x_start.N()), block_threads, 0, q.stream()>>>(terms.data, partial, x_start.N(), count,
                                                                      chunks);
  check_launch("diffusion_loss add_chunks");
}

}  // namespace tweedie::cuda
