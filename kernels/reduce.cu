#include "kernels/pack.cuh"
#include "kernels/reduce.hpp"

namespace tweedie::cuda {
namespace {

// Stage one: each block sums one chunk of one sample; stage two: one block per sample adds the chunks. The
// cut depends on the sample's size alone, so the sums do not depend on the GPU.
constexpr std::int64_t chunk = 1 << 14;

template <class T, int pack>
__global__ void dot_chunks(double* partial, const T* x, const T* z, std::int64_t sample,
                           std::int64_t chunks) {
  const std::int64_t base = blockIdx.x / chunks * sample;
  const std::int64_t begin = blockIdx.x % chunks * chunk;
  const std::int64_t end = begin + chunk < sample ? begin + chunk : sample;
  double sum = 0;
  for (std::int64_t i = begin + threadIdx.x * pack; i < end; i += block_threads * pack) {
    const Pack<T, pack> a = load<T, pack>(x + base + i), b = load<T, pack>(z + base + i);
#pragma unroll
    for (int k = 0; k < pack; ++k) sum = fma(double(a.v[k]), double(b.v[k]), sum);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void add_chunks(double* out, const double* partial, std::int64_t chunks) {
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < chunks; i += block_threads) sum += partial[blockIdx.x * chunks + i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

}  // namespace

void dot(Queue& q, View<double> out, View<const float> x, View<const float> z) {
  const std::int64_t sample = x.shape.sample(), chunks = (sample + chunk - 1) / chunk,
                     blocks = x.N() * chunks;
  require(blocks < (std::int64_t(1) << 31), "dot: the tensor is too large for one launch");
  auto* partial = static_cast<double*>(q.scratch(std::size_t(blocks) * sizeof(double)));
  if (blocks > 0) {
    const auto kernel =
        sample % 4 == 0 && aligned(x.data, z.data) ? dot_chunks<float, 4> : dot_chunks<float, 1>;
    kernel<<<unsigned(blocks), block_threads, 0, q.stream()>>>(partial, x.data, z.data, sample, chunks);
    check_launch("dot_chunks");
  }
  add_chunks<<<unsigned(x.N()), block_threads, 0, q.stream()>>>(out.data, partial, chunks);
  check_launch("add_chunks");
}

}  // namespace tweedie::cuda
