#include <cuda_runtime.h>

#include "kernels/bilinear.hpp"
#include "kernels/cuda.hpp"
#include "kernels/warp.hpp"

namespace tweedie::cuda {
namespace {

using bilinear::Cell;

__device__ std::int64_t first_item() { return std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ std::int64_t item_step() { return std::int64_t(gridDim.x) * blockDim.x; }

/// Images' shape, and how many samples of displacements there are.
struct Extent {
  int N, C, H, W, fields;
  std::int64_t plane;
  Extent(const Shape& x, const Shape& phi)
      : N(x.N), C(x.C), H(x.H), W(x.W), fields(phi.N), plane(x.plane()) {}
  __device__ const float* field(const float* phi, int n) const {
    return phi + (fields == 1 ? 0 : n) * 2 * plane;
  }
};

__global__ void warp_kernel(float* y, const float* x, const float* phi, Extent e) {
  for (std::int64_t i = first_item(); i < e.N * e.C * e.plane; i += item_step()) {
    const std::int64_t pixel = i % e.plane;
    const float* const field = e.field(phi, int(i / e.plane / e.C));
    const float to_right = field[pixel], down = field[e.plane + pixel];
    const Cell cell(int(pixel / e.W), int(pixel % e.W), down, to_right, e.H, e.W);
    y[i] = bilinear::value(cell, x + i / e.plane * e.plane, e.H, e.W, down, to_right);
  }
}

/// Where the cells of a run of pixels of one row lie; empty: top > bottom.
struct Box {
  int top, bottom, left, right;
};
constexpr int run_pixels = 32;

__global__ void boxes_kernel(Box* boxes, const float* phi, Extent e, int runs) {
  for (std::int64_t i = first_item(); i < std::int64_t(e.fields) * e.H * runs; i += item_step()) {
    const int run = int(i % runs), h = int(i / runs % e.H);
    const float* const to_right = phi + i / runs / e.H * 2 * e.plane + std::int64_t(h) * e.W;
    Box box{e.H, -2, e.W, -2};
    for (int w = run * run_pixels; w < min((run + 1) * run_pixels, e.W); ++w) {
      const Cell cell(h, w, to_right[e.plane + w], to_right[w], e.H, e.W);
      if (!cell.reaches) continue;
      box = {min(box.top, cell.h), max(box.bottom, cell.h), min(box.left, cell.w), max(box.right, cell.w)};
    }
    boxes[i] = box;
  }
}

/// Channels whose sums a thread forms in one search.
constexpr int channels_at_once = 4;

/// Adds to the sums of pixel (h, w) what the pixels of one run read from it, in their order.
__device__ void add_run(float* sum, const float* dy, const float* to_right, const Extent& e, int channels,
                        int row, int run, int h, int w) {
  for (int column = run * run_pixels; column < min((run + 1) * run_pixels, e.W); ++column) {
    const std::int64_t at = std::int64_t(row) * e.W + column;
    const Cell cell(row, column, to_right[e.plane + at], to_right[at], e.H, e.W);
    const int below = h - cell.h, beside = w - cell.w;
    if (!cell.reaches || below < 0 || below > 1 || beside < 0 || beside > 1) continue;
    const float weight = cell.weight(2 * below + beside);
    for (int c = 0; c < channels_at_once; ++c)
      if (c < channels) sum[c] = fmaf(weight, dy[c * e.plane + at], sum[c]);
  }
}

/// One thread, one pixel of up to `channels_at_once` channels.
__global__ void image_kernel(float* dx, const float* dy, const float* phi, const Box* boxes, Extent e,
                             int runs) {
  const int groups = (e.C + channels_at_once - 1) / channels_at_once;
  for (std::int64_t i = first_item(); i < std::int64_t(e.N) * groups * e.plane; i += item_step()) {
    const std::int64_t pixel = i % e.plane;
    const int h = int(pixel / e.W), w = int(pixel % e.W);
    const int n = int(i / e.plane / groups), c = int(i / e.plane % groups) * channels_at_once;
    const int channels = min(channels_at_once, e.C - c);
    const std::int64_t first = (std::int64_t(n) * e.C + c) * e.plane;
    const Box* const field_boxes = boxes + (e.fields == 1 ? 0 : n) * std::int64_t(e.H) * runs;
    float sum[channels_at_once] = {};
    for (int run = 0; run < e.H * runs; ++run) {
      const Box box = field_boxes[run];
      if (h < box.top || h > box.bottom + 1 || w < box.left || w > box.right + 1) continue;
      add_run(sum, dy + first, e.field(phi, n), e, channels, run / runs, run % runs, h, w);
    }
    for (int k = 0; k < channels_at_once; ++k)
      if (k < channels) dx[first + k * e.plane + pixel] = sum[k];
  }
}

__global__ void displacement_kernel(float* dphi, const float* dy, const float* x, const float* phi,
                                    Extent e) {
  for (std::int64_t i = first_item(); i < e.fields * e.plane; i += item_step()) {
    const std::int64_t pixel = i % e.plane;
    const int n = int(i / e.plane), each = e.fields == 1 ? e.N : 1;
    const std::int64_t at = n * 2 * e.plane + pixel;
    const Cell cell(int(pixel / e.W), int(pixel % e.W), phi[at + e.plane], phi[at], e.H, e.W);
    double by_rows = 0, by_columns = 0;
    for (std::int64_t p = std::int64_t(n) * e.C; p < std::int64_t(n + each) * e.C; ++p)
      bilinear::add_slopes(by_rows, by_columns, cell, x + p * e.plane, e.H, e.W, dy[p * e.plane + pixel]);
    dphi[at] = float(by_columns);
    dphi[at + e.plane] = float(by_rows);
  }
}

}  // namespace

void warp(Queue& q, View<float> y, View<const float> x, View<const float> phi) {
  warp_kernel<<<grid_of_one_wave(y.size()), block_threads, 0, q.stream()>>>(y.data, x.data, phi.data,
                                                                            Extent(x.shape, phi.shape));
  check_launch("warp");
}

void warp_backward_image(Queue& q, View<float> dx, View<const float> dy, View<const float> phi) {
  const int runs = (dx.W() + run_pixels - 1) / run_pixels;
  const std::int64_t boxes = std::int64_t(phi.N()) * dx.H() * runs;
  auto* const list = static_cast<Box*>(q.scratch(std::size_t(boxes) * sizeof(Box)));
  const Extent extent(dx.shape, phi.shape);
  boxes_kernel<<<grid_of_one_wave(boxes), block_threads, 0, q.stream()>>>(list, phi.data, extent, runs);
  check_launch("warp_backward_image: boxes");
  const int groups = (dx.C() + channels_at_once - 1) / channels_at_once;
  image_kernel<<<grid_for(std::int64_t(dx.N()) * groups * dx.shape.plane()), block_threads, 0, q.stream()>>>(
      dx.data, dy.data, phi.data, list, extent, runs);
  check_launch("warp_backward_image");
}

void warp_backward_displacement(Queue& q, View<float> dphi, View<const float> dy, View<const float> x,
                                View<const float> phi) {
  displacement_kernel<<<grid_of_one_wave(phi.N() * phi.shape.plane()), block_threads, 0, q.stream()>>>(
      dphi.data, dy.data, x.data, phi.data, Extent(x.shape, phi.shape));
  check_launch("warp_backward_displacement");
}

}  // namespace tweedie::cuda
