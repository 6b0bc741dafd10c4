#include <cuda_runtime.h>

#include "kernels/cuda.hpp"
#include "kernels/total_variation.hpp"

namespace tweedie::cuda {
namespace {

/// Where pixel i of an image's planes stands, and its pair of differences.
struct Pixel {
  std::int64_t along_h, along_w;
  int h, w;
  __device__ Pixel(std::int64_t i, std::int64_t sample, int H, int W)
      : along_h(i + i / sample * sample), along_w(along_h + sample), h(int(i / W % H)), w(int(i % W)) {}
};

__device__ std::int64_t first_item() { return std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ std::int64_t item_step() { return std::int64_t(gridDim.x) * blockDim.x; }

__device__ float norm(float a, float b) { return sqrtf(fmaf(a, a, __fmul_rn(b, b))); }

__global__ void differences_kernel(float* g, const float* x, std::int64_t size, std::int64_t sample, int H,
                                   int W) {
  for (std::int64_t i = first_item(); i < size; i += item_step()) {
    const Pixel p(i, sample, H, W);
    g[p.along_h] = p.h + 1 < H ? x[i + W] - x[i] : 0.f;
    g[p.along_w] = p.w + 1 < W ? x[i + 1] - x[i] : 0.f;
  }
}

__global__ void backward_kernel(float* dx, const float* dg, std::int64_t size, std::int64_t sample, int H,
                                int W) {
  for (std::int64_t i = first_item(); i < size; i += item_step()) {
    const Pixel p(i, sample, H, W);
    const float above = p.h > 0 ? dg[p.along_h - W] : 0.f, below = p.h + 1 < H ? dg[p.along_h] : 0.f;
    const float left = p.w > 0 ? dg[p.along_w - 1] : 0.f, right = p.w + 1 < W ? dg[p.along_w] : 0.f;
    dx[i] = (above - below) + (left - right);
  }
}

__global__ void norms_kernel(float* m, const float* g, std::int64_t size, std::int64_t sample, int H, int W) {
  for (std::int64_t i = first_item(); i < size; i += item_step()) {
    const Pixel p(i, sample, H, W);
    m[i] = norm(g[p.along_h], g[p.along_w]);
  }
}

__global__ void shrink_kernel(float* z, const float* g, std::int64_t size, std::int64_t sample, int H, int W,
                              float threshold) {
  for (std::int64_t i = first_item(); i < size; i += item_step()) {
    const Pixel p(i, sample, H, W);
    const float a = g[p.along_h], b = g[p.along_w], length = norm(a, b);
    const float factor = length > threshold ? 1.f - threshold / length : 0.f;
    z[p.along_h] = factor * a;
    z[p.along_w] = factor * b;
  }
}

}  // namespace

void differences(Queue& q, View<float> g, View<const float> x) {
  differences_kernel<<<grid_of_one_wave(x.size()), block_threads, 0, q.stream()>>>(
      g.data, x.data, x.size(), x.shape.sample(), x.H(), x.W());
  check_launch("differences");
}

void differences_backward(Queue& q, View<float> dx, View<const float> dg) {
  backward_kernel<<<grid_of_one_wave(dx.size()), block_threads, 0, q.stream()>>>(
      dx.data, dg.data, dx.size(), dx.shape.sample(), dx.H(), dx.W());
  check_launch("differences_backward");
}

void difference_norms(Queue& q, View<float> m, View<const float> g) {
  norms_kernel<<<grid_of_one_wave(m.size()), block_threads, 0, q.stream()>>>(m.data, g.data, m.size(),
                                                                             m.shape.sample(), m.H(), m.W());
  check_launch("difference_norms");
}

void shrink_differences(Queue& q, View<float> z, View<const float> g, float threshold) {
  const std::int64_t size = z.size() / 2;
  shrink_kernel<<<grid_of_one_wave(size), block_threads, 0, q.stream()>>>(
      z.data, g.data, size, z.shape.sample() / 2, z.H(), z.W(), threshold);
  check_launch("shrink_differences");
}

}  // namespace tweedie::cuda
