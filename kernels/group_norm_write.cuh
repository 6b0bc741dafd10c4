// The last stage of group norm: what a thread writes of y, or of dx.
#pragma once

#include "kernels/group_norm.cuh"

namespace tweedie::cuda {

template <class T, int width, bool with_silu>
__device__ Pack<float, width> normalised(const Pack<T, width>& value, const Coefficients<width>& c) {
  Pack<float, width> y;
#pragma unroll
  for (int k = 0; k < width; ++k) {
    const float h = fmaf(float(value.v[k]) - c.mean[k], c.scale[k], c.shift[k]);
    y.v[k] = with_silu ? h * sigmoid(h) : h;
  }
  return y;
}

/// Walks over the pixels [begin, end) of the smaller of x and y, which has `plane` of them and is W wide.
template <class T, int width, bool with_silu, Resample how>
__device__ void write_y_pixels(float* y, const Parts<const T>& x, const Coefficients<width>& c,
                               const Tiling& t, const Place& at, std::int64_t begin, std::int64_t end,
                               std::int64_t plane, unsigned W) {
  const Strip<const T> from = x.strip(t, at, how == Resample::down ? 4 * plane : plane);
  float* to = y + at.offset(t, how == Resample::up ? 4 * plane : plane);
  const auto value_at = [&](std::int64_t pixel) {
    return normalised<T, width, with_silu>(load<T, width>(from.data + pixel * from.step), c);
  };
  for (std::int64_t pixel = begin; pixel < end; pixel += blockDim.y) {
    if constexpr (how == Resample::none) {
      store(to + pixel * t.b, value_at(pixel));
      continue;
    }
    const std::int64_t above = first_of_four(pixel, W), below = above + 2 * std::int64_t(W);
    if constexpr (how == Resample::up) {
      const Pack<float, width> value = value_at(pixel);
      store(to + above * t.b, value);
      store(to + (above + 1) * t.b, value);
      store(to + below * t.b, value);
      store(to + (below + 1) * t.b, value);
    } else {
      Pack<float, width> mean = value_at(above);
      const Pack<float, width> right = value_at(above + 1), left = value_at(below),
                               last = value_at(below + 1);
#pragma unroll
      for (int k = 0; k < width; ++k)
        mean.v[k] = 0.25f * ((mean.v[k] + right.v[k]) + (left.v[k] + last.v[k]));
      store(to + pixel * t.b, mean);
    }
  }
}

/// plus and plus2 may be null; plus is read as dy is. Where that is not resampled, dx in one part may be any
/// of them: a thread reads what it overwrites before it does.
template <class T, int width, bool with_silu>
__device__ void write_dx_pixels(const Parts<float>& dx, const float* dy, const Parts<const T>& x,
                                const float* plus, const float* plus2, const Sampling& back,
                                const Coefficients<width>& c, const Tiling& t, const Place& at) {
  const std::int64_t other = at.offset(t, back.source_plane(t.plane));
  const Strip<float> to = dx.strip(t, at, t.plane);
  const Strip<const T> from = x.strip(t, at, t.plane);
  for (std::int64_t pixel = at.begin; pixel < at.end; pixel += blockDim.y) {
    const Pack<T, width> value = load<T, width>(from.data + pixel * from.step);
    Pack<float, width> slope = sample<float, width>(dy + other, t.b, pixel, back), more{}, more2{};
    if (plus) more = sample<float, width>(plus + other, t.b, pixel, back);
    if (plus2) more2 = load<float, width>(plus2 + at.base + pixel * t.b);
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const float difference = float(value.v[k]) - c.mean[k];
      const float dh = before_silu<with_silu>(slope.v[k], difference, c.scale[k], c.shift[k]);
      const float rest = fmaf(difference, c.k1[k], c.k0[k] + more.v[k] + more2.v[k]);
      slope.v[k] = fmaf(dh, c.scale[k], rest);
    }
    store(to.data + pixel * to.step, slope);
  }
}

}  // namespace tweedie::cuda
