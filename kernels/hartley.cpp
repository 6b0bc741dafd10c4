#include "kernels/hartley.hpp"

namespace tweedie {
namespace {

using Complex = std::complex<float>;

// Below this many elements waking the other threads costs more than the loop.
constexpr std::int64_t worth_threads = 1 << 15;

void check(const char* op, const Shape& c, int c_block, const Shape& z, int z_block) {
  require(c_block == 1 && z_block == 1, op, ": the layout must be planar (b = 1)");
  require(z == Shape{c.N, c.C, c.H, c.W / 2 + 1}, op, ": half spectrum ", z, " for planes ", c);
}

/// body(row, row of -k) for every row of every plane.
template <class F>
void for_each_row(const Shape& s, F body) {
  const std::int64_t rows = std::int64_t(s.N) * s.C * s.H;
#pragma omp parallel for schedule(static) if (s.size() >= worth_threads)
  for (std::int64_t row = 0; row < rows; ++row) {
    const int k = int(row % s.H);
    body(row, row - k + (k == 0 ? 0 : s.H - k));
  }
}

}  // namespace

void hartley_from_half(Queue& q, View<float> c, View<const Complex> z, float scale) {
  check("hartley_from_half", c.shape, c.b, z.shape, z.b);
  if (c.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::hartley_from_half(q, c, z, scale);
  const int W = c.W(), half = z.W();
  for_each_row(c.shape, [=](std::int64_t row, std::int64_t mirrored) {
    float* const to = c.data + row * W;
    const Complex *const own = z.data + row * half, *const other = z.data + mirrored * half;
    for (int l = 0; l < half; ++l) to[l] = scale * (own[l].real() - own[l].imag());
    for (int l = half; l < W; ++l) to[l] = scale * (other[W - l].real() + other[W - l].imag());
  });
}

void half_from_hartley(Queue& q, View<Complex> z, View<const float> c, float scale) {
  check("half_from_hartley", c.shape, c.b, z.shape, z.b);
  if (z.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::half_from_hartley(q, z, c, scale);
  const int W = c.W(), half = z.W();
  const float factor = 0.5f * scale;
  for_each_row(c.shape, [=](std::int64_t row, std::int64_t mirrored) {
    Complex* const to = z.data + row * half;
    const float *const own = c.data + row * W, *const other = c.data + mirrored * W;
    for (int l = 0; l < half; ++l) {
      const float plus = own[l], minus = other[l == 0 ? 0 : W - l];
      to[l] = {factor * (plus + minus), factor * (minus - plus)};
    }
  });
}

}  // namespace tweedie
