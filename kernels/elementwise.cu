#include <cuda_runtime.h>

#include "kernels/elementwise.hpp"
#include "kernels/pack.cuh"

namespace tweedie::cuda {
namespace {

/// Values in the widest access a thread can make, 16 bytes.
template <class T>
inline constexpr int pack_size = 16 / sizeof(T);

template <class T>
using Wide = Pack<T, pack_size<T>>;

template <class T, class F, class... In>
__device__ Wide<T> apply(F f, Wide<In>... in) {
  Wide<T> out;
#pragma unroll
  for (int k = 0; k < pack_size<T>; ++k) out.v[k] = f(in.v[k]...);
  return out;
}

/// y[i] = f(in[i]...), i in [0, count), shared by the threads of blockIdx.x. Pointers are 16-byte aligned
/// where `packed`. y may be one of the inputs: a thread reads what it overwrites before it does.
template <class T, class F, class... In>
__device__ void map_range(T* y, std::int64_t count, bool packed, F f, const In*... in) {
  const std::int64_t first = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t step = std::int64_t(gridDim.x) * blockDim.x;
  const std::int64_t packs = packed ? count / pack_size<T> : 0;
  for (std::int64_t p = first; p < packs; p += step)
    store(y + p * pack_size<T>, apply<T>(f, load<In, pack_size<T>>(in + p * pack_size<T>)...));
  for (std::int64_t i = packs * pack_size<T> + first; i < count; i += step) y[i] = f(in[i]...);
}

template <class T, class F, class... In>
__global__ void map_kernel(T* y, std::int64_t count, bool packed, F f, const In*... in) {
  map_range(y, count, packed, f, in...);
}

template <class T, class F, class... In>
void map(Queue& q, const char* name, View<T> y, F f, View<const In>... in) {
  if (y.size() == 0) return;
  const bool packed = aligned(y.data, in.data...);
  const std::int64_t items = packed ? y.size() / pack_size<T> + 1 : y.size();
  map_kernel<<<grid_of_one_wave(items), block_threads, 0, q.stream()>>>(y.data, y.size(), packed, f,
                                                                        in.data...);
  check_launch(name);
}

/// A grid whose y runs over `units` (samples, planes) of `count` elements each; both loops stride.
dim3 grid_of_units(std::int64_t units, std::int64_t count) {
  return dim3(grid_of_one_wave((count + 3) / 4), unsigned(std::min<std::int64_t>(units, 65535)));
}

struct Constant {
  float value;
  __device__ float operator()() const { return value; }
};
struct Scale {
  float a;
  __device__ float operator()(float x) const { return a * x; }
};
struct Axpby {
  float a, b;
  __device__ float operator()(float x, float z) const { return fmaf(a, x, __fmul_rn(b, z)); }
};
struct Axpbypcz {
  float a, b, c;
  __device__ float operator()(float x, float z, float w) const {
    return fmaf(a, x, fmaf(b, z, __fmul_rn(c, w)));
  }
};
struct Clamp {
  float low, high;
  // Not fminf and fmaxf: those drop NaN.
  __device__ float operator()(float x) const { return x < low ? low : x > high ? high : x; }
};
struct ClampBackward {
  float low, high;
  __device__ float operator()(float dy, float x) const { return x >= low && x <= high ? dy : 0.f; }
};
struct Product {
  __device__ float operator()(float x, float m) const { return x * m; }
};
struct AddConstant {
  float value;
  __device__ float operator()(float x) const { return x + value; }
};
struct AddConstantAnd {
  float value;
  __device__ float operator()(float x, float z) const { return x + value + z; }
};
struct Silu {
  __device__ float operator()(float x) const { return x / (1.f + expf(-x)); }
};
struct SiluBackward {
  __device__ float operator()(float dy, float x) const {
    const float s = 1.f / (1.f + expf(-x));
    return dy * (s * fmaf(x, 1.f - s, 1.f));
  }
};
struct ScaleInDouble {
  double scale;  // 0: the result is 0 whatever x is
  __device__ float operator()(float x) const { return scale == 0 ? 0.f : float(scale * x); }
};
struct AncestralLearned {
  float a, b, log_beta, log_posterior;
  __device__ float operator()(float x0, float x, float v, float noise) const {
    const float f = fmaf(0.5f, v, 0.5f);
    const float half_log_variance = fmaf(0.5f * f, log_beta, 0.5f * (1.f - f) * log_posterior);
    return fmaf(a, x0, fmaf(b, x, expf(half_log_variance) * noise));
  }
};

/// `units` planes of x, C to a sample; a factor's strides are 0 along what is broadcast.
template <class T>
__global__ void multiply_kernel(T* y, const T* x, const T* m, std::int64_t units, int C, std::int64_t plane,
                                std::int64_t sample_stride, std::int64_t channel_stride, bool packed) {
  for (std::int64_t unit = blockIdx.y; unit < units; unit += gridDim.y)
    map_range(y + unit * plane, plane, packed, Product{}, x + unit * plane,
              m + unit / C * sample_stride + unit % C * channel_stride);
}

/// Blocks of b channels, b > 1; `width` divides b.
template <class T, int width>
__device__ void add_bias_block(T* y, const T* x, const T* bias, const T* plus, std::int64_t pixels, int b) {
  const int per_pixel = b / width;
  const std::int64_t first = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t step = std::int64_t(gridDim.x) * blockDim.x;
  // The channel of item i is i modulo per_pixel, kept up by addition: divisions are slow.
  int group = int(first % per_pixel);
  const int group_step = int(step % per_pixel);
  for (std::int64_t i = first; i < pixels * per_pixel; i += step) {
    Pack<T, width> values = load<T, width>(x + i * width);
#pragma unroll
    for (int k = 0; k < width; ++k) values.v[k] += bias[group * width + k];
    if (plus) {
      const Pack<T, width> more = load<T, width>(plus + i * width);
#pragma unroll
      for (int k = 0; k < width; ++k) values.v[k] += more.v[k];
    }
    store(y + i * width, values);
    group += group_step;
    if (group >= per_pixel) group -= per_pixel;
  }
}

/// `units` channel blocks, `blocks` of them to a sample.
template <class T>
__global__ void add_bias_kernel(T* y, const T* x, const T* bias, const T* plus, std::int64_t units,
                                int blocks, int b, std::int64_t plane, bool packed) {
  for (std::int64_t unit = blockIdx.y; unit < units; unit += gridDim.y) {
    T* to = y + unit * plane * b;
    const T* from = x + unit * plane * b;
    const T* values = bias + unit % blocks * b;
    const T* more = plus ? plus + unit * plane * b : nullptr;
    if (b == 1 && more)
      map_range(to, plane, packed, AddConstantAnd{values[0]}, from, more);
    else if (b == 1)
      map_range(to, plane, packed, AddConstant{values[0]}, from);
    else if (packed)
      add_bias_block<T, pack_size<T>>(to, from, values, more, plane, b);
    else
      add_bias_block<T, 1>(to, from, values, more, plane, b);
  }
}

template <class T>
__global__ void divide_by_norm_kernel(T* y, const T* x, const double* squares, float factor, int N,
                                      std::int64_t sample, bool packed) {
  for (int n = blockIdx.y; n < N; n += gridDim.y) {
    const double scale = squares[n] == 0 ? 0 : factor / sqrt(squares[n]);
    map_range(y + n * sample, sample, packed, ScaleInDouble{scale}, x + n * sample);
  }
}

}  // namespace

void fill(Queue& q, View<float> y, float value) { map(q, "fill", y, Constant{value}); }

void scale(Queue& q, View<float> y, float a, View<const float> x) { map(q, "scale", y, Scale{a}, x); }

void axpby(Queue& q, View<float> y, float a, View<const float> x, float b, View<const float> z) {
  map(q, "axpby", y, Axpby{a, b}, x, z);
}

void axpbypcz(Queue& q, View<float> y, float a, View<const float> x, float b, View<const float> z, float c,
              View<const float> w) {
  map(q, "axpbypcz", y, Axpbypcz{a, b, c}, x, z, w);
}

void clamp(Queue& q, View<float> y, View<const float> x, float low, float high) {
  map(q, "clamp", y, Clamp{low, high}, x);
}

void clamp_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x, float low,
                    float high) {
  map(q, "clamp_backward", dx, ClampBackward{low, high}, dy, x);
}

void multiply(Queue& q, View<float> y, View<const float> x, View<const float> m) {
  if (y.size() == 0) return;
  const std::int64_t plane = y.shape.plane(), units = std::int64_t(y.N()) * y.C();
  const std::int64_t sample_stride = m.N() == 1 ? 0 : m.shape.sample();
  const std::int64_t channel_stride = m.C() == 1 ? 0 : plane;
  const bool packed = plane % 4 == 0 && aligned(y.data, x.data, m.data);
  multiply_kernel<<<grid_of_units(units, plane), block_threads, 0, q.stream()>>>(
      y.data, x.data, m.data, units, y.C(), plane, sample_stride, channel_stride, packed);
  check_launch("multiply");
}

void add_bias(Queue& q, View<float> y, View<const float> x, const float* bias, View<const float> plus) {
  if (y.size() == 0) return;
  const std::int64_t plane = y.shape.plane();
  const int blocks = y.C() / y.b;
  const std::int64_t units = std::int64_t(y.N()) * blocks;
  const bool packed = (y.b == 1 ? plane : y.b) % 4 == 0 && aligned(y.data, x.data, plus.data);
  add_bias_kernel<<<grid_of_units(units, plane * y.b), block_threads, 0, q.stream()>>>(
      y.data, x.data, bias, plus.data, units, blocks, y.b, plane, packed);
  check_launch("add_bias");
}

void silu(Queue& q, View<float> y, View<const float> x) { map(q, "silu", y, Silu{}, x); }

void silu_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x) {
  map(q, "silu_backward", dx, SiluBackward{}, dy, x);
}

void divide_by_norm(Queue& q, View<float> y, View<const float> x, View<const double> squares, float factor) {
  if (y.size() == 0) return;
  const bool packed = y.shape.sample() % 4 == 0 && aligned(y.data, x.data);
  divide_by_norm_kernel<<<grid_of_units(y.N(), y.shape.sample()), block_threads, 0, q.stream()>>>(
      y.data, x.data, squares.data, factor, y.N(), y.shape.sample(), packed);
  check_launch("divide_by_norm");
}

void ancestral_learned(Queue& q, View<float> y, float a, View<const float> x0, float b, View<const float> x,
                       View<const float> v, View<const float> noise, float log_beta, float log_posterior) {
  map(q, "ancestral_learned", y, AncestralLearned{a, b, log_beta, log_posterior}, x0, x, v, noise);
}

}  // namespace tweedie::cuda
