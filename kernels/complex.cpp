#include "kernels/complex.hpp"

#include <cmath>

namespace tweedie {
namespace {

using Complex = std::complex<float>;

// Below this many elements waking the other threads costs more than the loop.
constexpr std::int64_t worth_threads = 1 << 15;

/// body(row, h) for every row of every plane of a shape; no row depends on another.
template <class F>
void for_each_row(const Shape& s, F body) {
  const std::int64_t rows = std::int64_t(s.N) * s.C * s.H;
#pragma omp parallel for schedule(static) if (s.size() >= worth_threads)
  for (std::int64_t row = 0; row < rows; ++row) body(row, int(row % s.H));
}

/// Where entry i of the centred order stands in an FFT's own.
int uncentred(int i, int n) {
  const int at = i + (n + 1) / 2;
  return at < n ? at : at - n;
}

/// In double, so that neither large nor small values leave the range of floats when squared.
double magnitude(Complex z) {
  const double re = z.real(), im = z.imag();
  return std::sqrt(re * re + im * im);
}

void require_planar(const char* op, int a, int b) {
  require(a == 1 && b == 1, op, ": the layout must be planar (b = 1), got b=", a, " and b=", b);
}

void check_padding(const char* op, const View<const Complex>& large, const View<const float>& small) {
  require_planar(op, large.b, small.b);
  const Shape &l = large.shape, &s = small.shape;
  require(l.N == s.N && l.C == s.C && l.H >= s.H && l.W >= s.W, op, ": ", s, " does not fit into ", l);
}

void check_magnitude(const char* op, const View<const float>& y, const View<const Complex>& z) {
  require_planar(op, y.b, z.b);
  require(y.shape == z.shape, op, ": shapes differ: ", y.shape, " and ", z.shape);
}

}  // namespace

void pad_to_complex(Queue& q, View<Complex> y, View<const float> x, float scale, float offset) {
  check_padding("pad_to_complex", y, x);
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::pad_to_complex(q, y, x, scale, offset);
  const int top = (y.H() - x.H()) / 2, left = (y.W() - x.W()) / 2, H = y.H(), W = y.W();
  for_each_row(y.shape, [=](std::int64_t row, int h) {
    Complex* const to = y.data + row * W;
    const int from_h = h - top;
    if (from_h < 0 || from_h >= x.H()) {
      for (int w = 0; w < W; ++w) to[w] = 0;
      return;
    }
    const float* const from = x.data + (row / H * x.H() + from_h) * x.W();
    for (int w = 0; w < left; ++w) to[w] = 0;
    for (int w = 0; w < x.W(); ++w) to[left + w] = std::fma(scale, from[w], offset);
    for (int w = left + x.W(); w < W; ++w) to[w] = 0;
  });
}

void crop_real(Queue& q, View<float> x, View<const Complex> y, float scale) {
  check_padding("crop_real", y, x);
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::crop_real(q, x, y, scale);
  const int top = (y.H() - x.H()) / 2, left = (y.W() - x.W()) / 2, H = x.H(), W = x.W();
  for_each_row(x.shape, [=](std::int64_t row, int h) {
    const Complex* const from = y.data + (row / H * y.H() + top + h) * y.W() + left;
    for (int w = 0; w < W; ++w) x.data[row * W + w] = scale * from[w].real();
  });
}

void centred_magnitude(Queue& q, View<float> y, View<const Complex> z, float factor) {
  check_magnitude("centred_magnitude", y, z);
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::centred_magnitude(q, y, z, factor);
  const int H = y.H(), W = y.W();
  for_each_row(y.shape, [=](std::int64_t row, int h) {
    const Complex* const from = z.data + (row - h + uncentred(h, H)) * W;
    for (int w = 0; w < W; ++w) y.data[row * W + w] = float(factor * magnitude(from[uncentred(w, W)]));
  });
}

void centred_magnitude_backward(Queue& q, View<Complex> dz, View<const float> dy, View<const Complex> z,
                                float factor) {
  check_magnitude("centred_magnitude_backward", dy, z);
  check_magnitude("centred_magnitude_backward", dy, dz);
  if (dz.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::centred_magnitude_backward(q, dz, dy, z, factor);
  const int H = dz.H(), W = dz.W();
  for_each_row(dz.shape, [=](std::int64_t row, int h) {
    const std::int64_t line = (row - h + uncentred(h, H)) * W;
    for (int w = 0; w < W; ++w) {
      const std::int64_t at = line + uncentred(w, W);
      const double size = magnitude(z.data[at]);
      const double scale = size == 0 ? 0 : factor * double(dy.data[row * W + w]) / size;
      dz.data[at] = {float(scale * z.data[at].real()), float(scale * z.data[at].imag())};
    }
  });
}

void multiply_spectrum(Queue& q, View<Complex> y, View<const Complex> x, View<const Complex> k,
                       bool conjugate) {
  require_planar("multiply_spectrum", y.b, x.b);
  require(y.shape == x.shape && (k.N() == 1 || k.N() == x.N()) && k.shape == Shape{k.N(), 1, x.H(), x.W()} &&
              k.b == 1,
          "multiply_spectrum: shapes differ: ", y.shape, ", ", x.shape, " and a kernel's ", k.shape);
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::multiply_spectrum(q, y, x, k, conjugate);
  const int W = y.W();
  const std::int64_t rows_of_kernel = k.N() == 1 ? 0 : std::int64_t(y.C()) * y.H();
  const float sign = conjugate ? -1.f : 1.f;
  for_each_row(y.shape, [=](std::int64_t row, int h) {
    const std::int64_t sample = rows_of_kernel == 0 ? 0 : row / rows_of_kernel;
    const Complex* const factor = k.data + (sample * k.H() + h) * W;
    for (int w = 0; w < W; ++w) {
      const Complex a = x.data[row * W + w], b = factor[w];
      const float re = b.real(), im = sign * b.imag();
      y.data[row * W + w] = {std::fma(a.real(), re, -(a.imag() * im)), std::fma(a.real(), im, a.imag() * re)};
    }
  });
}

void correlate_spectra(Queue& q, View<Complex> z, View<const Complex> a, View<const Complex> b) {
  require_planar("correlate_spectra", a.b, b.b);
  require(a.shape == b.shape && (z.N() == 1 || z.N() == a.N()) && z.shape == Shape{z.N(), 1, a.H(), a.W()} &&
              z.b == 1,
          "correlate_spectra: shapes differ: ", a.shape, ", ", b.shape, " and a sum's ", z.shape);
  if (z.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::correlate_spectra(q, z, a, b);
  const int W = z.W(), planes = a.C() * (z.N() == 1 ? a.N() : 1);
  const std::int64_t plane = a.shape.plane();
  for_each_row(z.shape, [=](std::int64_t row, int h) {
    const std::int64_t first = row / a.H() * planes * plane + std::int64_t(h) * W;
    for (int w = 0; w < W; ++w) {
      double re = 0, im = 0;
      for (int p = 0; p < planes; ++p) {
        const Complex u = a.data[first + p * plane + w], v = b.data[first + p * plane + w];
        re = std::fma(double(u.real()), v.real(), std::fma(double(u.imag()), v.imag(), re));
        im = std::fma(double(u.imag()), v.real(), std::fma(-double(u.real()), v.imag(), im));
      }
      z.data[row * W + w] = {float(re), float(im)};
    }
  });
}

void held_quotient(Queue& q, View<Complex> z, View<const Complex> a, View<const Complex> d,
                   View<const Complex> k, float weight) {
  require_planar("held_quotient", z.b, a.b);
  require_alike("held_quotient", z, a);
  require_alike("held_quotient", z, d);
  require_alike("held_quotient", z, k);
  require(weight >= 0, "held_quotient: a weight of ", weight, "; expected 0 or more");
  if (z.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::held_quotient(q, z, a, d, k, weight);
  const int W = z.W();
  for_each_row(z.shape, [=](std::int64_t row, int) {
    for (std::int64_t i = row * W; i < (row + 1) * W; ++i) {
      const float below = d.data[i].real() + weight;
      const Complex above{std::fma(weight, k.data[i].real(), a.data[i].real()),
                          std::fma(weight, k.data[i].imag(), a.data[i].imag())};
      z.data[i] = below > 0 ? Complex{above.real() / below, above.imag() / below} : Complex{};
    }
  });
}

}  // namespace tweedie
