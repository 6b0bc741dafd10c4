#include "kernels/pooling.hpp"

#include "kernels/for_each_index.hpp"
#include "kernels/pooling_windows.hpp"

namespace tweedie {
namespace {

using pooling::Plane;

void check(const char* op, const Shape& x, int x_b, const Shape& y, int y_b, const PoolGeometry& g) {
  require(g.kernel > 0 && g.stride > 0 && g.pad >= 0 && 2 * g.pad <= g.kernel, op, ": windows of ", g.kernel,
          " pixels, stride ", g.stride, ", padding ", g.pad, " make no pooling");
  // Of a window that counts although it does not fit, less than a stride may be missing.
  const int least = g.kernel - 2 * g.pad - (g.ceil ? g.stride - 1 : 0);
  require(x.size() == 0 || (x.H >= least && x.W >= least), op, ": a window of ", g.kernel,
          " pixels does not fit into ", x, " padded by ", g.pad);
  const Shape expected{x.N, x.C, g.output(x.H), g.output(x.W)};
  require(y == expected, op, ": the output of ", x, " is ", expected, ", not ", y);
  require(x_b == y_b && x_b > 0 && x.C % x_b == 0, op, ": blocks of ", x_b, " and ", y_b, " of ", x.C,
          " channels");
}

/// Plane `p` of a view: sample and block of channels p / b, channel p % b of that block.
template <class T>
Plane<T> plane(const View<T>& v, std::int64_t p) {
  return {v.data + p / v.b * v.shape.plane() * v.b + p % v.b, v.H(), v.W(), v.b};
}

/// y(plane, h, w) = f(plane, h, w) for every plane and pixel, in the order of memory.
template <class F>
void for_each_pixel(const View<float>& y, F f) {
  const std::int64_t rows = std::int64_t(y.N()) * (y.C() / y.b) * y.H();
#pragma omp parallel for schedule(static) if (y.size() >= worth_threads)
  for (std::int64_t row = 0; row < rows; ++row)
    for (int w = 0; w < y.W(); ++w)
      for (int j = 0; j < y.b; ++j) {
        const std::int64_t p = row / y.H() * y.b + j;
        const int h = int(row % y.H());
        plane(y, p).at(h, w) = f(p, h, w);
      }
}

}  // namespace

void max_pool(Queue& q, View<float> y, View<const float> x, const PoolGeometry& g) {
  check("max_pool", x.shape, x.b, y.shape, y.b, g);
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::max_pool(q, y, x, g);
  for_each_pixel(y, [=](std::int64_t p, int h, int w) { return pooling::maximum(g, plane(x, p), h, w); });
}

void max_pool_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x,
                       const PoolGeometry& g) {
  check("max_pool_backward", x.shape, x.b, dy.shape, dy.b, g);
  require_alike("max_pool_backward", dx, x);
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::max_pool_backward(q, dx, dy, x, g);
  for_each_pixel(dx, [=](std::int64_t p, int h, int w) {
    return pooling::maximum_backward(g, plane(dy, p), plane(x, p), h, w);
  });
}

void average_pool(Queue& q, View<float> y, View<const float> x, const PoolGeometry& g) {
  check("average_pool", x.shape, x.b, y.shape, y.b, g);
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::average_pool(q, y, x, g);
  for_each_pixel(y, [=](std::int64_t p, int h, int w) { return pooling::average(g, plane(x, p), h, w); });
}

void average_pool_backward(Queue& q, View<float> dx, View<const float> dy, const PoolGeometry& g) {
  check("average_pool_backward", dx.shape, dx.b, dy.shape, dy.b, g);
  if (dx.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::average_pool_backward(q, dx, dy, g);
  for_each_pixel(dx, [=](std::int64_t p, int h, int w) {
    return pooling::average_backward(g, plane(dy, p), dx.H(), dx.W(), h, w);
  });
}

}  // namespace tweedie
