#include <cuda_runtime.h>

#include "kernels/cuda.hpp"
#include "kernels/radon.hpp"

namespace tweedie::cuda {
namespace {

__device__ std::int64_t first_item() { return std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ std::int64_t item_step() { return std::int64_t(gridDim.x) * blockDim.x; }

/// One thread, one ray. Neighbouring rays read neighbouring pixels where the steps are rows; where they are
/// columns, each thread walks along a row, and the cache serves its next steps.
__global__ void radon_kernel(float* y, const float* x, RadonView r, std::int64_t size) {
  for (std::int64_t item = first_item(); item < size; item += item_step()) {
    const std::int64_t view = item / r.detectors;
    const RadonAngle angle = r.angle[view % r.angles];
    const bool rows = angle.steps_rows != 0;
    const int steps = rows ? r.H : r.W, across = rows ? r.W : r.H;
    const std::int64_t per_step = rows ? r.W : 1, per_pixel = rows ? 1 : r.W;
    const float* const plane = x + view / r.angles * r.H * r.W;
    const float d = float(int(item % r.detectors)), last = float(across);
    float sum = 0;
    for (int v = 0; v < steps; ++v) {
      const float at = fmaf(angle.per_detector, d, fmaf(angle.per_step, float(v), angle.start));
      if (!(at > -1.f && at < last)) continue;
      const float below = floorf(at);
      const int i = int(below);
      const float* const pixel = plane + v * per_step + i * per_pixel;
      if (i >= 0) sum = fmaf(1.f - (at - below), pixel[0], sum);
      if (i + 1 < across) sum = fmaf(1.f - (below + 1.f - at), pixel[per_pixel], sum);
    }
    y[item] = sum * angle.length;
  }
}

/// One thread, one pixel; neighbours along W read neighbouring detectors.
__global__ void backproject_kernel(float* x, const float* y, RadonView r, std::int64_t size,
                                   bool interpolated) {
  for (std::int64_t item = first_item(); item < size; item += item_step()) {
    const std::int64_t row = item / r.W;
    const float h = float(int(row % r.H)), w = float(int(item % r.W));
    const float* measured = y + row / r.H * r.angles * r.detectors;
    float sum = 0;
    for (int a = 0; a < r.angles; ++a, measured += r.detectors) {
      const RadonAngle angle = r.angle[a];
      const float inverse = fabsf(angle.per_pixel);
      const float reach = interpolated ? 1.f : inverse, slope = interpolated ? inverse : 1.f;
      const bool rows = angle.steps_rows != 0;
      const float u = rows ? w : h, base = fmaf(angle.per_step, rows ? h : w, angle.start);
      float first = ceilf(fmaf(u - base, angle.per_pixel, -(reach + radon_slack)));
      first = fminf(fmaxf(first, float(-radon_candidates)), float(r.detectors));
      float part = 0;
      for (int k = 0; k < radon_candidates; ++k) {
        const float d = first + float(k);
        const int at = int(d);
        const float weight = fmaf(-slope, fabsf(u - fmaf(angle.per_detector, d, base)), 1.f);
        if (at >= 0 && at < r.detectors) part = fmaf(fmaxf(weight, 0.f), measured[at], part);
      }
      sum = fmaf(interpolated ? 1.f : angle.length, part, sum);
    }
    x[item] = sum;
  }
}

}  // namespace

void radon(Queue& q, View<float> y, View<const float> x, const RadonView& r) {
  radon_kernel<<<grid_of_one_wave(y.size()), block_threads, 0, q.stream()>>>(y.data, x.data, r, y.size());
  check_launch("radon");
}

void backproject(Queue& q, View<float> x, View<const float> y, const RadonView& r, bool interpolated) {
  backproject_kernel<<<grid_of_one_wave(x.size()), block_threads, 0, q.stream()>>>(x.data, y.data, r,
                                                                                   x.size(), interpolated);
  check_launch("backproject");
}

}  // namespace tweedie::cuda
