#include "kernels/pixel_shuffle.hpp"

namespace tweedie {
namespace {

// Below this many elements waking the other threads costs more than the loop.
constexpr std::int64_t worth_threads = 1 << 15;

void check(const char* op, const Shape& large, int large_b, const Shape& small, int small_b) {
  require(large.N == small.N && large.H == 2 * small.H && large.W == 2 * small.W && small.C <= 4 * large.C,
          op, ": ", large, " is not ", small, " with H and W doubled and a quarter of the channels, or more");
  require(large_b > 0 && small_b > 0 && large.C % large_b == 0 && small.C % small_b == 0, op, ": blocks of ",
          large_b, " and ", small_b, " do not divide ", large.C, " and ", small.C, " channels");
}

/// body(n, block of channels, h) for every row of blocks of a view; no row depends on another.
template <class T, class F>
void for_each_row(const View<T>& v, F body) {
  const int blocks = v.C() / v.b, H = v.H();
  const std::int64_t rows = std::int64_t(v.N()) * blocks * H;
#pragma omp parallel for schedule(static) if (v.size() >= worth_threads)
  for (std::int64_t row = 0; row < rows; ++row)
    body(int(row / H / blocks), int(row / H % blocks), int(row % H));
}

}  // namespace

void pixel_shuffle2(Queue& q, View<float> y, View<const float> x) {
  check("pixel_shuffle2", y.shape, y.b, x.shape, x.b);
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::pixel_shuffle2(q, y, x);
  for_each_row(y, [=](int n, int block, int h) {
    for (int j = 0; j < y.b; ++j)
      for (int i = 0; i < 2; ++i) {
        const int c = block * y.b + j, from_c = 4 * c + 2 * (h % 2) + i;
        float* const to = y.data + y.offset(n, c, h, i);
        const float* const from = from_c < x.C() ? x.data + x.offset(n, from_c, h / 2, 0) : nullptr;
        for (int w = 0; w < x.W(); ++w)
          to[std::int64_t(2 * w) * y.b] = from ? from[std::int64_t(w) * x.b] : 0.f;
      }
  });
}

void pixel_shuffle2_backward(Queue& q, View<float> dx, View<const float> dy) {
  check("pixel_shuffle2_backward", dy.shape, dy.b, dx.shape, dx.b);
  if (dx.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::pixel_shuffle2_backward(q, dx, dy);
  for_each_row(dx, [=](int n, int block, int h) {
    for (int j = 0; j < dx.b; ++j) {
      const int c = block * dx.b + j;
      float* const to = dx.data + dx.offset(n, c, h, 0);
      const float* const from = dy.data + dy.offset(n, c / 4, 2 * h + c % 4 / 2, c % 2);
      for (int w = 0; w < dx.W(); ++w) to[std::int64_t(w) * dx.b] = from[std::int64_t(2 * w) * dy.b];
    }
  });
}

}  // namespace tweedie
