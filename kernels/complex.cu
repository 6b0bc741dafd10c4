#include <cuda_runtime.h>

#include "kernels/complex.hpp"
#include "kernels/cuda.hpp"

namespace tweedie::cuda {
namespace {

using Complex = std::complex<float>;

float2* pairs(Complex* z) { return reinterpret_cast<float2*>(z); }
const float2* pairs(const Complex* z) { return reinterpret_cast<const float2*>(z); }

__device__ std::int64_t first_item() { return std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ std::int64_t item_step() { return std::int64_t(gridDim.x) * blockDim.x; }

/// The planes of one array and the rectangle of another's in their middle.
struct Frame {
  int H, W, inner_H, inner_W, top, left;
  Frame(const Shape& large, const Shape& small)
      : H(large.H),
        W(large.W),
        inner_H(small.H),
        inner_W(small.W),
        top((large.H - small.H) / 2),
        left((large.W - small.W) / 2) {}
};

__global__ void pad_kernel(float2* y, const float* x, std::int64_t size, Frame f, float scale, float offset) {
  for (std::int64_t i = first_item(); i < size; i += item_step()) {
    const std::int64_t row = i / f.W;
    const int h = int(row % f.H) - f.top, w = int(i % f.W) - f.left;
    const bool inside = h >= 0 && h < f.inner_H && w >= 0 && w < f.inner_W;
    y[i] =
        make_float2(inside ? fmaf(scale, x[(row / f.H * f.inner_H + h) * f.inner_W + w], offset) : 0.f, 0.f);
  }
}

__global__ void crop_kernel(float* x, const float2* y, std::int64_t size, Frame f, float scale) {
  for (std::int64_t i = first_item(); i < size; i += item_step()) {
    const std::int64_t row = i / f.inner_W;
    const int h = int(row % f.inner_H) + f.top, w = int(i % f.inner_W) + f.left;
    x[i] = scale * y[(row / f.inner_H * f.H + h) * f.W + w].x;
  }
}

__device__ int uncentred(int i, int n) {
  const int at = i + (n + 1) / 2;
  return at < n ? at : at - n;
}

__device__ std::int64_t uncentred(std::int64_t i, int H, int W) {
  const std::int64_t row = i / W;
  const int h = int(row % H);
  return (row - h + uncentred(h, H)) * W + uncentred(int(i % W), W);
}

__device__ double magnitude(float2 z) {
  const double re = z.x, im = z.y;
  return sqrt(re * re + im * im);
}

__global__ void magnitude_kernel(float* y, const float2* z, std::int64_t size, int H, int W, float factor) {
  for (std::int64_t i = first_item(); i < size; i += item_step())
    y[i] = float(factor * magnitude(z[uncentred(i, H, W)]));
}

__global__ void magnitude_backward_kernel(float2* dz, const float* dy, const float2* z, std::int64_t size,
                                          int H, int W, float factor) {
  for (std::int64_t i = first_item(); i < size; i += item_step()) {
    const std::int64_t at = uncentred(i, H, W);
    const float2 value = z[at];
    const double length = magnitude(value);
    const double scale = length == 0 ? 0 : factor * double(dy[i]) / length;
    dz[at] = make_float2(float(scale * value.x), float(scale * value.y));
  }
}

__global__ void multiply_spectrum_kernel(float2* y, const float2* x, const float2* k, std::int64_t size,
                                         std::int64_t plane, std::int64_t sample, float sign) {
  for (std::int64_t i = first_item(); i < size; i += item_step()) {
    const float2 a = x[i], b = k[(sample == 0 ? 0 : i / sample * plane) + i % plane];
    const float im = sign * b.y;
    y[i] = make_float2(fmaf(a.x, b.x, -__fmul_rn(a.y, im)), fmaf(a.x, im, __fmul_rn(a.y, b.x)));
  }
}

__global__ void correlate_spectra_kernel(float2* z, const float2* a, const float2* b, std::int64_t size,
                                         std::int64_t plane, int planes) {
  for (std::int64_t i = first_item(); i < size; i += item_step()) {
    const std::int64_t first = i / plane * planes * plane + i % plane;
    double re = 0, im = 0;
    for (int p = 0; p < planes; ++p) {
      const float2 u = a[first + p * plane], v = b[first + p * plane];
      re = fma(double(u.x), double(v.x), fma(double(u.y), double(v.y), re));
      im = fma(double(u.y), double(v.x), fma(-double(u.x), double(v.y), im));
    }
    z[i] = make_float2(float(re), float(im));
  }
}

__global__ void held_quotient_kernel(float2* z, const float2* a, const float2* d, const float2* k,
                                     std::int64_t size, float weight) {
  for (std::int64_t i = first_item(); i < size; i += item_step()) {
    const float below = d[i].x + weight;
    const float2 above = make_float2(fmaf(weight, k[i].x, a[i].x), fmaf(weight, k[i].y, a[i].y));
    z[i] = below > 0 ? make_float2(above.x / below, above.y / below) : make_float2(0.f, 0.f);
  }
}

}  // namespace

void pad_to_complex(Queue& q, View<Complex> y, View<const float> x, float scale, float offset) {
  pad_kernel<<<grid_of_one_wave(y.size()), block_threads, 0, q.stream()>>>(
      pairs(y.data), x.data, y.size(), Frame(y.shape, x.shape), scale, offset);
  check_launch("pad_to_complex");
}

void crop_real(Queue& q, View<float> x, View<const Complex> y, float scale) {
  crop_kernel<<<grid_of_one_wave(x.size()), block_threads, 0, q.stream()>>>(x.data, pairs(y.data), x.size(),
                                                                            Frame(y.shape, x.shape), scale);
  check_launch("crop_real");
}

void centred_magnitude(Queue& q, View<float> y, View<const Complex> z, float factor) {
  magnitude_kernel<<<grid_of_one_wave(y.size()), block_threads, 0, q.stream()>>>(
      y.data, pairs(z.data), y.size(), y.H(), y.W(), factor);
  check_launch("centred_magnitude");
}

void centred_magnitude_backward(Queue& q, View<Complex> dz, View<const float> dy, View<const Complex> z,
                                float factor) {
  magnitude_backward_kernel<<<grid_of_one_wave(dz.size()), block_threads, 0, q.stream()>>>(
      pairs(dz.data), dy.data, pairs(z.data), dz.size(), dz.H(), dz.W(), factor);
  check_launch("centred_magnitude_backward");
}

void multiply_spectrum(Queue& q, View<Complex> y, View<const Complex> x, View<const Complex> k,
                       bool conjugate) {
  multiply_spectrum_kernel<<<grid_of_one_wave(y.size()), block_threads, 0, q.stream()>>>(
      pairs(y.data), pairs(x.data), pairs(k.data), y.size(), y.shape.plane(),
      k.N() == 1 ? 0 : y.shape.sample(), conjugate ? -1.f : 1.f);
  check_launch("multiply_spectrum");
}

void correlate_spectra(Queue& q, View<Complex> z, View<const Complex> a, View<const Complex> b) {
  correlate_spectra_kernel<<<grid_of_one_wave(z.size()), block_threads, 0, q.stream()>>>(
      pairs(z.data), pairs(a.data), pairs(b.data), z.size(), a.shape.plane(),
      a.C() * (z.N() == 1 ? a.N() : 1));
  check_launch("correlate_spectra");
}

void held_quotient(Queue& q, View<Complex> z, View<const Complex> a, View<const Complex> d,
                   View<const Complex> k, float weight) {
  held_quotient_kernel<<<grid_of_one_wave(z.size()), block_threads, 0, q.stream()>>>(
      pairs(z.data), pairs(a.data), pairs(d.data), pairs(k.data), z.size(), weight);
  check_launch("held_quotient");
}

}  // namespace tweedie::cuda
