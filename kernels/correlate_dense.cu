#include "kernels/correlate_dense.hpp"
#include "kernels/pack.cuh"

namespace tweedie::cuda {
namespace {

__device__ std::int64_t first_item() { return std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ std::int64_t item_step() { return std::int64_t(gridDim.x) * blockDim.x; }

/// The sides of the smaller planes, of the larger ones and of the kernels, and what lies between samples.
struct Extent {
  int C, H, W, outer_H, outer_W, kh, kw;
  std::int64_t to_next_kernel;
  Extent(const Shape& y, const Shape& x, const Shape& k)
      : C(y.C),
        H(y.H),
        W(y.W),
        outer_H(x.H),
        outer_W(x.W),
        kh(k.H),
        kw(k.W),
        to_next_kernel(k.N == 1 ? 0 : k.plane()) {}
};

__global__ void correlate_kernel(float* y, const float* x, const float* k, std::int64_t size, Extent e) {
  for (std::int64_t at = first_item(); at < size; at += item_step()) {
    const int w = int(at % e.W), h = int(at / e.W % e.H);
    const std::int64_t plane = at / e.W / e.H;
    const float* const taps = k + plane / e.C * e.to_next_kernel;
    float sum = 0;
    for (int i = 0; i < e.kh; ++i)
      for (int j = 0; j < e.kw; ++j)
        sum = fmaf(taps[i * e.kw + j], x[(plane * e.outer_H + h + i) * e.outer_W + w + j], sum);
    y[at] = sum;
  }
}

__global__ void backward_image_kernel(float* dx, const float* dy, const float* k, std::int64_t size,
                                      Extent e) {
  for (std::int64_t at = first_item(); at < size; at += item_step()) {
    const int w = int(at % e.outer_W), h = int(at / e.outer_W % e.outer_H);
    const std::int64_t plane = at / e.outer_W / e.outer_H;
    const float* const taps = k + plane / e.C * e.to_next_kernel;
    float sum = 0;
    for (int i = 0; i < e.kh; ++i)
      for (int j = 0; j < e.kw; ++j) {
        if (h - i < 0 || h - i >= e.H || w - j < 0 || w - j >= e.W) continue;
        sum = fmaf(taps[i * e.kw + j], dy[(plane * e.H + h - i) * e.W + w - j], sum);
      }
    dx[at] = sum;
  }
}

/// One block, one tap.
__global__ void backward_kernel_kernel(float* dk, const float* dy, const float* x, int planes, Extent e) {
  const int tap = int(blockIdx.x), j = tap % e.kw, i = tap / e.kw % e.kh;
  const std::int64_t first = std::int64_t(tap / (e.kw * e.kh)) * planes;
  const std::int64_t pixels = std::int64_t(planes) * e.H * e.W;
  double sum = 0;
  for (std::int64_t at = threadIdx.x; at < pixels; at += block_threads) {
    const int w = int(at % e.W), h = int(at / e.W % e.H);
    const std::int64_t plane = first + at / e.W / e.H;
    sum = fma(double(dy[(plane * e.H + h) * e.W + w]),
              double(x[(plane * e.outer_H + h + i) * e.outer_W + w + j]), sum);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) dk[tap] = float(sum);
}

}  // namespace

void correlate_dense(Queue& q, View<float> y, View<const float> x, View<const float> k) {
  correlate_kernel<<<grid_of_one_wave(y.size()), block_threads, 0, q.stream()>>>(
      y.data, x.data, k.data, y.size(), Extent(y.shape, x.shape, k.shape));
  check_launch("correlate_dense");
}

void correlate_dense_backward_image(Queue& q, View<float> dx, View<const float> dy, View<const float> k) {
  backward_image_kernel<<<grid_of_one_wave(dx.size()), block_threads, 0, q.stream()>>>(
      dx.data, dy.data, k.data, dx.size(), Extent(dy.shape, dx.shape, k.shape));
  check_launch("correlate_dense_backward_image");
}

void correlate_dense_backward_kernel(Queue& q, View<float> dk, View<const float> dy, View<const float> x) {
  require(dk.size() < (std::int64_t(1) << 31), "correlate_dense: more than 2^31 - 1 taps");
  backward_kernel_kernel<<<unsigned(dk.size()), block_threads, 0, q.stream()>>>(
      dk.data, dy.data, x.data, x.C() * (dk.N() == 1 ? x.N() : 1), Extent(dy.shape, x.shape, dk.shape));
  check_launch("correlate_dense_backward_kernel");
}

}  // namespace tweedie::cuda
