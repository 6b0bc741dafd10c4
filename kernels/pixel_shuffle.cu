#include <cuda_runtime.h>

#include "kernels/cuda.hpp"
#include "kernels/pixel_shuffle.hpp"

namespace tweedie::cuda {
namespace {

/// A view's numbers and its index arithmetic, for kernels.
struct Layout {
  int C, H, W, b;
  Layout(const Shape& s, int block) : C(s.C), H(s.H), W(s.W), b(block) {}
  __device__ std::int64_t offset(std::int64_t n, int c, int h, int w) const {
    return ((n * (C / b) + c / b) * H * W + std::int64_t(h) * W + w) * b + c % b;
  }
};

struct Place {
  std::int64_t n;
  int c, h, w;
  /// Of element i of a view.
  __device__ Place(std::int64_t i, const Layout& l) {
    const int in_block = int(i % l.b);
    i /= l.b;
    w = int(i % l.W);
    i /= l.W;
    h = int(i % l.H);
    i /= l.H;
    const int blocks = l.C / l.b;
    c = int(i % blocks) * l.b + in_block;
    n = i / blocks;
  }
};

// One thread writes one value at a time, in the order of memory. The pixels read are neighbours too in
// channels-last layout, four channels apart.
template <class T>
__global__ void shuffle_kernel(T* y, const T* x, std::int64_t size, Layout to, Layout from) {
  const std::int64_t step = std::int64_t(gridDim.x) * blockDim.x;
  for (std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < size; i += step) {
    const Place p(i, to);
    const int c = 4 * p.c + 2 * (p.h % 2) + p.w % 2;
    y[i] = c < from.C ? x[from.offset(p.n, c, p.h / 2, p.w / 2)] : T(0);
  }
}

template <class T>
__global__ void unshuffle_kernel(T* dx, const T* dy, std::int64_t size, Layout to, Layout from) {
  const std::int64_t step = std::int64_t(gridDim.x) * blockDim.x;
  for (std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < size; i += step) {
    const Place p(i, to);
    dx[i] = dy[from.offset(p.n, p.c / 4, 2 * p.h + p.c % 4 / 2, 2 * p.w + p.c % 2)];
  }
}

}  // namespace

void pixel_shuffle2(Queue& q, View<float> y, View<const float> x) {
  shuffle_kernel<<<grid_of_one_wave(y.size()), block_threads, 0, q.stream()>>>(
      y.data, x.data, y.size(), Layout(y.shape, y.b), Layout(x.shape, x.b));
  check_launch("pixel_shuffle2");
}

void pixel_shuffle2_backward(Queue& q, View<float> dx, View<const float> dy) {
  unshuffle_kernel<<<grid_of_one_wave(dx.size()), block_threads, 0, q.stream()>>>(
      dx.data, dy.data, dx.size(), Layout(dx.shape, dx.b), Layout(dy.shape, dy.b));
  check_launch("pixel_shuffle2_backward");
}

}  // namespace tweedie::cuda
