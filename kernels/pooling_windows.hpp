// The index arithmetic of pooling, one pixel of one plane, for both backends (kernels/pooling.cpp and .cu).
#pragma once

#include <cstdint>

#include "kernels/pooling.hpp"

#ifdef __CUDACC__
#define TWEEDIE_HOST_DEVICE __host__ __device__
#else
#define TWEEDIE_HOST_DEVICE
#endif

namespace tweedie::pooling {

/// Positions [first, end) of an axis.
struct Range {
  int first, end;
  TWEEDIE_HOST_DEVICE int count() const { return end - first; }
};

/// The pixels of window `o` that lie inside of a side of `pixels`.
TWEEDIE_HOST_DEVICE inline Range window(const PoolGeometry& g, int o, int pixels) {
  const int first = o * g.stride - g.pad, end = first + g.kernel;
  return {first < 0 ? 0 : first, end > pixels ? pixels : end};
}

/// The windows, of `windows`, that hold pixel `i`.
TWEEDIE_HOST_DEVICE inline Range windows_with(const PoolGeometry& g, int i, int windows) {
  const int before = i + g.pad - g.kernel + 1;  // o stride >= before and o stride <= i + pad
  const int first = before <= 0 ? 0 : (before + g.stride - 1) / g.stride, last = (i + g.pad) / g.stride;
  return {first, last < windows ? last + 1 : windows};
}

/// One plane of a view: pixel (h, w) is at data[(h * W + w) * b].
template <class T>
struct Plane {
  T* data;
  int H, W, b;
  TWEEDIE_HOST_DEVICE T& at(int h, int w) const { return data[(std::int64_t(h) * W + w) * b]; }
};

/// Where the maximum of window (oh, ow) lies, as h * W + w: the first of equal ones.
TWEEDIE_HOST_DEVICE inline std::int64_t highest(const PoolGeometry& g, const Plane<const float>& x, int oh,
                                                int ow) {
  const Range rows = window(g, oh, x.H), columns = window(g, ow, x.W);
  int best_h = rows.first, best_w = columns.first;
  float best = x.at(best_h, best_w);
  for (int h = rows.first; h < rows.end; ++h)
    for (int w = columns.first; w < columns.end; ++w)
      if (x.at(h, w) > best) {
        best = x.at(h, w);
        best_h = h;
        best_w = w;
      }
  return std::int64_t(best_h) * x.W + best_w;
}

TWEEDIE_HOST_DEVICE inline float maximum(const PoolGeometry& g, const Plane<const float>& x, int oh, int ow) {
  return x.data[highest(g, x, oh, ow) * x.b];
}

/// The sum of dy over the windows whose maximum is pixel (h, w) of x.
TWEEDIE_HOST_DEVICE inline float maximum_backward(const PoolGeometry& g, const Plane<const float>& dy,
                                                  const Plane<const float>& x, int h, int w) {
  const Range rows = windows_with(g, h, dy.H), columns = windows_with(g, w, dy.W);
  float sum = 0;
  for (int oh = rows.first; oh < rows.end; ++oh)
    for (int ow = columns.first; ow < columns.end; ++ow)
      if (highest(g, x, oh, ow) == std::int64_t(h) * x.W + w) sum += dy.at(oh, ow);
  return sum;
}

TWEEDIE_HOST_DEVICE inline float average(const PoolGeometry& g, const Plane<const float>& x, int oh, int ow) {
  const Range rows = window(g, oh, x.H), columns = window(g, ow, x.W);
  float sum = 0;
  for (int h = rows.first; h < rows.end; ++h)
    for (int w = columns.first; w < columns.end; ++w) sum += x.at(h, w);
  return sum / float(rows.count() * columns.count());
}

/// What the windows that hold pixel (h, w) of H x W give it.
TWEEDIE_HOST_DEVICE inline float average_backward(const PoolGeometry& g, const Plane<const float>& dy, int H,
                                                  int W, int h, int w) {
  const Range rows = windows_with(g, h, dy.H), columns = windows_with(g, w, dy.W);
  float sum = 0;
  for (int oh = rows.first; oh < rows.end; ++oh)
    for (int ow = columns.first; ow < columns.end; ++ow)
      sum += dy.at(oh, ow) / float(window(g, oh, H).count() * window(g, ow, W).count());
  return sum;
}

}  // namespace tweedie::pooling
