#include <cmath>

#include "kernels/feature_distance.hpp"
#include "kernels/pack.cuh"

namespace tweedie::cuda {
namespace {

// One warp per pixel: its lanes run over the channels, which are neighbours in channels-last layout.
constexpr int warps = block_threads / 32;

/// What kernels need of a view: where channel c of a pixel lies.
struct Features {
  std::int64_t plane, sample;
  int C, b;
  Features(const View<const float>& v) : plane(v.shape.plane()), sample(v.shape.sample()), C(v.C()), b(v.b) {}
  __device__ std::int64_t offset(std::int64_t pixel, int c) const {
    return pixel / plane * sample + (c / b * plane + pixel % plane) * b + c % b;
  }
};

/// 1 / |f|, and the root within |f|.
struct Length {
  float scale, root;
  __device__ Length(const float* f, std::int64_t pixel, const Features& at, int lane,
                    const FeatureLength& l) {
    float sum = 0;
    for (int c = lane; c < at.C; c += 32) {
      const float value = f[at.offset(pixel, c)];
      sum = fmaf(value, value, sum);
    }
    root = sqrtf(warp_sum(sum) + l.inside);
    scale = 1.0f / (root + l.outside);
  }
};

__global__ void distance_kernel(float* d, const float* a, const float* b, const float* weights,
                                std::int64_t pixels, Features at, FeatureLength length) {
  const int lane = int(threadIdx.x % 32);
  for (std::int64_t pixel = (std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / 32; pixel < pixels;
       pixel += std::int64_t(gridDim.x) * warps) {
    const Length x(a, pixel, at, lane, length), z(b, pixel, at, lane, length);
    float sum = 0;
    for (int c = lane; c < at.C; c += 32) {
      const std::int64_t i = at.offset(pixel, c);
      const float difference = a[i] * x.scale - b[i] * z.scale;
      sum = fmaf(weights[c] * difference, difference, sum);
    }
    sum = warp_sum(sum);
    if (lane == 0) d[pixel] = sum;
  }
}

__global__ void distance_backward_kernel(float* da, const float* dd, const float* a, const float* b,
                                         const float* weights, std::int64_t pixels, Features at,
                                         FeatureLength length) {
  const int lane = int(threadIdx.x % 32);
  for (std::int64_t pixel = (std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / 32; pixel < pixels;
       pixel += std::int64_t(gridDim.x) * warps) {
    const Length x(a, pixel, at, lane, length), z(b, pixel, at, lane, length);
    const float twice = 2.0f * dd[pixel];
    float along = 0;
    for (int c = lane; c < at.C; c += 32) {
      const std::int64_t i = at.offset(pixel, c);
      along += twice * weights[c] * (a[i] * x.scale - b[i] * z.scale) * a[i];
    }
    along = warp_sum(along);
    const bool vanishes = x.root == 0.0f;
    const float radial = vanishes ? 0.0f : along * x.scale / x.root;
    for (int c = lane; c < at.C; c += 32) {
      const std::int64_t i = at.offset(pixel, c);
      const float slope = twice * weights[c] * (a[i] * x.scale - b[i] * z.scale);
      da[i] = vanishes ? 0.0f : (slope - radial * a[i]) * x.scale;
    }
  }
}

unsigned blocks_for(std::int64_t pixels) { return grid_of_one_wave(pixels * 32); }

}  // namespace

void feature_distance(Queue& q, View<float> d, View<const float> a, View<const float> b, const float* weights,
                      const FeatureLength& length) {
  distance_kernel<<<blocks_for(d.size()), block_threads, 0, q.stream()>>>(d.data, a.data, b.data, weights,
                                                                          d.size(), Features(a), length);
  check_launch("feature_distance");
}

void feature_distance_backward(Queue& q, View<float> da, View<const float> dd, View<const float> a,
                               View<const float> b, const float* weights, const FeatureLength& length) {
  distance_backward_kernel<<<blocks_for(dd.size()), block_threads, 0, q.stream()>>>(
      da.data, dd.data, a.data, b.data, weights, dd.size(), Features(a), length);
  check_launch("feature_distance_backward");
}

}  // namespace tweedie::cuda
