// Stage one of group norm's way forward: sums over x, which is read or formed in the same pass.
#pragma once

#include "kernels/group_norm.cuh"

namespace tweedie::cuda {

/// x as it lies in memory, at the pixels of one thread.
template <class T, int width>
struct Stored {
  Strip<const T> x;
  __device__ Pack<T, width> look(std::int64_t pixel) const { return load<T, width>(x.data + pixel * x.step); }
  __device__ Pack<T, width> take(std::int64_t pixel) const { return look(pixel); }
};

/// What x is made of (GroupNormSource) on the device. x is stored as T; its first part is read as it is, or
/// made of `sum`.
template <class T>
struct Source {
  Parts<const T> parts;
  const float* sum = nullptr;  ///< null: x is complete
  const float* bias = nullptr;
  const T* plus = nullptr;
  Sampling sampling;  ///< of plus
  T* to = nullptr;    ///< where the first part goes, and lies as parts.first would
};

/// x as it comes about: `take` also writes its first channels, perhaps to where they come from: a thread
/// reads what it overwrites before it does.
template <class T, int width>
class Formed {
 public:
  __device__ Formed(const Source<T>& from, const Tiling& t, const Place& at)
      : x_(from.parts.strip(t, at, t.plane)), sampling_(from.sampling) {
    if (at.c >= from.parts.channels) return;
    const std::int64_t offset = x_.data - from.parts.first;
    sum_ = from.sum + offset;
    to_ = from.to + offset;
    if (from.plus) {
      const Parts<const T> like{from.plus, nullptr, from.parts.channels, from.parts.first_b, 0};
      plus_ = like.strip(t, at, sampling_.source_plane(t.plane)).data;
    }
#pragma unroll
    for (int k = 0; k < width; ++k) bias_[k] = from.bias ? from.bias[at.c + k] : 0;
  }
  __device__ Pack<T, width> look(std::int64_t pixel) const {
    if (!sum_) return load<T, width>(x_.data + pixel * x_.step);
    const Pack<float, width> value = load<float, width>(sum_ + pixel * x_.step);
    Pack<float, width> more{};
    if (plus_) more = sample<T, width>(plus_, x_.step, pixel, sampling_);
    Pack<T, width> x;
#pragma unroll
    for (int k = 0; k < width; ++k) x.v[k] = stored<T>(value.v[k] + bias_[k] + more.v[k]);
    return x;
  }
  __device__ Pack<T, width> take(std::int64_t pixel) const {
    const Pack<T, width> value = look(pixel);
    if (to_) store(to_ + pixel * x_.step, value);
    return value;
  }

 private:
  Strip<const T> x_;
  const float* sum_ = nullptr;  ///< null: of the second part
  T* to_ = nullptr;
  const T* plus_ = nullptr;
  Sampling sampling_;
  float bias_[width];
};

/// Sums of x and x^2 over the pixels of one thread, in float about a pivot, so that data far from 0 lose
/// nothing: with d = sum(x - p) and q = sum((x - p)^2) over r pixels, sum x = r p + d and
/// sum x^2 = q + 2 p d + r p^2, these two in double. The first pivot is one pixel, which may be far from the
/// rest; the second is the mean of the first four.
template <int width>
struct Moments {
  float pivot[width], d[width] = {}, q[width] = {};

  template <class T>
  __device__ explicit Moments(const Pack<T, width>& first) {
#pragma unroll
    for (int k = 0; k < width; ++k) pivot[k] = float(first.v[k]);
  }
  template <class T>
  __device__ void add(const Pack<T, width>& value) {
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const float difference = float(value.v[k]) - pivot[k];
      d[k] += difference;
      q[k] = fmaf(difference, difference, q[k]);
    }
  }
  __device__ void move_pivot(float r) {
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const float moved = pivot[k] + d[k] / r, step = moved - pivot[k];
      q[k] = fmaf(step, fmaf(r, step, -2 * d[k]), q[k]);
      d[k] = fmaf(-r, step, d[k]);
      pivot[k] = moved;
    }
  }
  /// `bias`: of each channel, what all its values lack; or null.
  __device__ void finish(double (&sums)[2 * width], double r, const float* bias) const {
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const double p = bias ? double(pivot[k]) + bias[k] : pivot[k];
      sums[k] = fma(r, p, double(d[k]));
      sums[width + k] = fma(p, fma(r, p, 2.0 * d[k]), double(q[k]));
    }
  }
};

/// Sums of x and of x^2 over a thread's pixels, as `values` (Stored or Formed) gives them.
template <int width, class Values>
__device__ void add_moments(double (&sums)[2 * width], const Values& values, const float* x_bias,
                            const Place& at) {
  if (!at.active || at.begin >= at.end) return;
  Moments<width> thread(values.look(at.begin));
  std::int64_t pixel = at.begin;
  int count = 0;
  for (; pixel < at.end && count < 4; pixel += blockDim.y, ++count) thread.add(values.take(pixel));
  thread.move_pivot(float(count));
  for (; pixel < at.end; pixel += blockDim.y, ++count) thread.add(values.take(pixel));
  thread.finish(sums, count, x_bias ? x_bias + at.c : nullptr);
}

}  // namespace tweedie::cuda
