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

// How add_pixel_sums is cut: a block takes 32 neighbouring channels and a chunk of one sample's pixels.
struct PixelSums {
  int N, C, b, tiles, chunks;
  std::int64_t plane, chunk_pixels;
  explicit PixelSums(const View<const float>& x)
      : N(x.N()), C(x.C()), b(x.b), tiles((x.C() + 31) / 32), plane(x.shape.plane()) {
    const std::int64_t wanted = std::max<std::int64_t>(1, 1024 / (std::int64_t(N) * tiles));
    chunk_pixels = std::max<std::int64_t>(64, (plane + wanted - 1) / wanted);
    chunks = int((plane + chunk_pixels - 1) / chunk_pixels);
  }
};

template <class T>
__global__ void sum_pixels(double* partial, const T* x, PixelSums s) {
  __shared__ double shared[8][32];
  std::int64_t index = blockIdx.x;
  const int chunk = int(index % s.chunks);
  index /= s.chunks;
  const int c = int(index % s.tiles) * 32 + int(threadIdx.x), n = int(index / s.tiles);
  double sum = 0;
  if (c < s.C) {
    const T* const from = x + (std::int64_t(n) * (s.C / s.b) + c / s.b) * s.plane * s.b + c % s.b;
    const std::int64_t stop = (chunk + 1) * s.chunk_pixels, end = stop < s.plane ? stop : s.plane;
    for (std::int64_t p = chunk * s.chunk_pixels + threadIdx.y; p < end; p += 8) sum += double(from[p * s.b]);
  }
  shared[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || c >= s.C) return;
  for (int y = 1; y < 8; ++y) sum += shared[y][threadIdx.x];
  partial[(std::int64_t(n) * s.chunks + chunk) * s.C + c] = sum;
}

// One thread a result, which adds `parts` chunks (of `samples` samples).
__global__ void add_pixel_chunks(float* sums, const double* partial, std::int64_t count, int C, int parts) {
  const std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  double sum = 0;
  for (int part = 0; part < parts; ++part) sum += partial[(i / C * parts + part) * C + i % C];
  sums[i] += float(sum);
}

}  // namespace

void add_pixel_sums(Queue& q, View<float> sums, View<const float> x) {
  const PixelSums s(x);
  const std::int64_t blocks = std::int64_t(s.N) * s.tiles * s.chunks, count = sums.size();
  require(blocks < (std::int64_t(1) << 31), "add_pixel_sums: the tensor is too large for one launch");
  auto* partial =
      static_cast<double*>(q.scratch(std::size_t(s.N) * std::size_t(s.chunks) * std::size_t(s.C) * 8));
  sum_pixels<<<unsigned(blocks), dim3(32, 8), 0, q.stream()>>>(partial, x.data, s);
  check_launch("sum_pixels");
  const int parts = s.chunks * (s.N / sums.N());
  add_pixel_chunks<<<unsigned((count + block_threads - 1) / block_threads), block_threads, 0, q.stream()>>>(
      sums.data, partial, count, s.C, parts);
  check_launch("add_pixel_chunks");
}

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
