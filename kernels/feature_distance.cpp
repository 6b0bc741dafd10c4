#include "kernels/feature_distance.hpp"

#include <cmath>

#include "kernels/for_each_index.hpp"

namespace tweedie {
namespace {

void check(const char* op, const View<const float>& d, const View<const float>& a,
           const View<const float>& b) {
  require_alike(op, a, b);
  const Shape expected{a.N(), 1, a.H(), a.W()};
  require(d.shape == expected && d.b == 1, op, ": the distances of ", a.shape, " are ", expected,
          " in planes, not ", d.shape, " b=", d.b);
  require(a.b > 0 && a.C() % a.b == 0, op, ": blocks of ", a.b, " do not divide ", a.C(), " channels");
}

/// One pixel's channels.
struct Pixel {
  const float* data;
  std::int64_t block_stride;
  int C, b;
  Pixel(const View<const float>& v, std::int64_t pixel)
      : data(v.data + pixel / v.shape.plane() * v.shape.sample() + pixel % v.shape.plane() * v.b),
        block_stride(v.shape.plane() * v.b),
        C(v.C()),
        b(v.b) {}
  /// f(channel, offset from the pixel's first value)
  template <class F>
  void each(F f) const {
    for (int first = 0; first < C; first += b)
      for (int j = 0; j < b; ++j) f(first + j, first / b * block_stride + j);
  }
};

struct Length {
  double root, value;
  Length(const Pixel& p, const FeatureLength& l) {
    double sum = l.inside;
    p.each([&](int, std::int64_t at) { sum += double(p.data[at]) * p.data[at]; });
    root = std::sqrt(sum);
    value = root + l.outside;
  }
};

template <class F>
void for_each_pixel(const View<const float>& x, F f) {
  const std::int64_t pixels = x.N() * x.shape.plane();
#pragma omp parallel for schedule(static) if (x.size() >= worth_threads)
  for (std::int64_t pixel = 0; pixel < pixels; ++pixel) f(pixel);
}

}  // namespace

void feature_distance(Queue& q, View<float> d, View<const float> a, View<const float> b, const float* weights,
                      const FeatureLength& length) {
  check("feature_distance", d, a, b);
  if (a.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::feature_distance(q, d, a, b, weights, length);
  for_each_pixel(a, [&](std::int64_t pixel) {
    const Pixel x(a, pixel), z(b, pixel);
    const double scale_x = 1 / Length(x, length).value, scale_z = 1 / Length(z, length).value;
    double sum = 0;
    x.each([&](int c, std::int64_t at) {
      const double difference = x.data[at] * scale_x - z.data[at] * scale_z;
      sum += weights[c] * difference * difference;
    });
    d.data[pixel] = float(sum);
  });
}

void feature_distance_backward(Queue& q, View<float> da, View<const float> dd, View<const float> a,
                               View<const float> b, const float* weights, const FeatureLength& length) {
  check("feature_distance_backward", dd, a, b);
  require_alike("feature_distance_backward", da, a);
  if (a.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::feature_distance_backward(q, da, dd, a, b, weights, length);
  for_each_pixel(a, [&](std::int64_t pixel) {
    const Pixel x(a, pixel), z(b, pixel);
    const Length of_x(x, length);
    const double scale_x = 1 / of_x.value, scale_z = 1 / Length(z, length).value;
    const auto slope = [&](int c, std::int64_t at) {  // of d with respect to x / |x|
      return 2.0 * dd.data[pixel] * weights[c] * (x.data[at] * scale_x - z.data[at] * scale_z);
    };
    double along = 0;
    x.each([&](int c, std::int64_t at) { along += slope(c, at) * x.data[at]; });
    const bool vanishes = of_x.root == 0;
    const double radial = vanishes ? 0 : along * scale_x / of_x.root;
    float* const to = da.data + (x.data - a.data);
    x.each([&](int c, std::int64_t at) {
      to[at] = vanishes ? 0.f : float((slope(c, at) - radial * x.data[at]) * scale_x);
    });
  });
}

}  // namespace tweedie
