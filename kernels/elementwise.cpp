#include "kernels/elementwise.hpp"

#include <cmath>

#include "kernels/for_each_index.hpp"
#include "kernels/vector_math.hpp"

namespace tweedie {
namespace {

/// y = a x, a not 0.
void scale(Queue& q, View<float> y, float a, View<const float> x) {
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::scale(q, y, a, x);
  for_each_index(y.size(), [a, to = y.data, from = x.data](std::int64_t i) { to[i] = a * from[i]; });
}

}  // namespace

void fill(Queue& q, View<float> y, float value) {
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::fill(q, y, value);
  for_each_index(y.size(), [value, to = y.data](std::int64_t i) { to[i] = value; });
}

void copy(Queue& q, View<float> y, View<const float> x) {
  require_alike("copy", y, x);
  if (y.data == x.data || y.size() == 0) return;
  if (q.on_cuda()) return copy_bytes(q, y.data, x.data, std::size_t(y.size()) * sizeof(float));
  for_each_index(y.size(), [to = y.data, from = x.data](std::int64_t i) { to[i] = from[i]; });
}

void axpby(Queue& q, View<float> y, float a, View<const float> x, float b, View<const float> z) {
  require_alike("axpby", y, x);
  require_alike("axpby", y, z);
  if (a == 0 && b == 0) return fill(q, y, 0);
  if (b == 0) return scale(q, y, a, x);
  if (a == 0) return scale(q, y, b, z);
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::axpby(q, y, a, x, b, z);
  for_each_index(y.size(), [a, b, to = y.data, px = x.data, pz = z.data](std::int64_t i) {
    to[i] = multiply_add(a, px[i], b * pz[i]);
  });
}

void axpbypcz(Queue& q, View<float> y, float a, View<const float> x, float b, View<const float> z, float c,
              View<const float> w) {
  require_alike("axpbypcz", y, x);
  require_alike("axpbypcz", y, z);
  require_alike("axpbypcz", y, w);
  if (c == 0) return axpby(q, y, a, x, b, z);
  if (b == 0) return axpby(q, y, a, x, c, w);
  if (a == 0) return axpby(q, y, b, z, c, w);
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::axpbypcz(q, y, a, x, b, z, c, w);
  for_each_index(y.size(), [a, b, c, to = y.data, px = x.data, pz = z.data, pw = w.data](std::int64_t i) {
    to[i] = multiply_add(a, px[i], multiply_add(b, pz[i], c * pw[i]));
  });
}

void add(Queue& q, View<float> y, View<const float> x, View<const float> z) {
  require_alike("add", y, x);
  require_alike("add", y, z);
  axpby(q, y, 1, x, 1, z);
}

void clamp(Queue& q, View<float> y, View<const float> x, float low, float high) {
  require_alike("clamp", y, x);
  require(low <= high, "clamp: the range [", low, ", ", high, "] is empty");
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::clamp(q, y, x, low, high);
  // Comparisons with NaN are false, so NaN passes through.
  for_each_index(y.size(), [low, high, to = y.data, from = x.data](std::int64_t i) {
    const float value = from[i];
    to[i] = value < low ? low : value > high ? high : value;
  });
}

void clamp_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x, float low,
                    float high) {
  require_alike("clamp_backward", dx, dy);
  require_alike("clamp_backward", dx, x);
  require(low <= high, "clamp_backward: the range [", low, ", ", high, "] is empty");
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::clamp_backward(q, dx, dy, x, low, high);
  for_each_index(dx.size(), [low, high, to = dx.data, from = dy.data, px = x.data](std::int64_t i) {
    // Loaded whatever the comparison says: a load in a branch would keep the loop from being vectorised.
    const float gradient = from[i], value = px[i];
    to[i] = (value >= low) & (value <= high) ? gradient : 0.f;
  });
}

void multiply(Queue& q, View<float> y, View<const float> x, View<const float> m) {
  require_alike("multiply", y, x);
  require(y.b == 1 && m.b == 1, "multiply: the layout must be planar (b = 1), got b=", y.b, " and b=", m.b);
  require(
      (m.N() == 1 || m.N() == y.N()) && (m.C() == 1 || m.C() == y.C()) && m.H() == y.H() && m.W() == y.W(),
      "multiply: a factor of shape ", m.shape, " does not broadcast to ", y.shape);
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::multiply(q, y, x, m);
  const int rows = y.H(), W = y.W();
  const std::int64_t all_rows = std::int64_t(y.N()) * y.C() * rows;
#pragma omp parallel for schedule(static) if (y.size() >= worth_threads)
  for (std::int64_t row = 0; row < all_rows; ++row) {
    const int n = int(row / rows / y.C()), c = int(row / rows % y.C()), h = int(row % rows);
    const float* factor = m.data + m.offset(m.N() == 1 ? 0 : n, m.C() == 1 ? 0 : c, h, 0);
    const float* from = x.data + row * W;
    float* to = y.data + row * W;
#pragma omp simd
    for (int w = 0; w < W; ++w) to[w] = from[w] * factor[w];
  }
}

namespace {

template <bool with_plus>
void add_bias_rows(View<float> y, View<const float> x, const float* bias, View<const float> plus) {
  const int b = y.b, blocks = y.C() / b;
  const std::int64_t rows = std::int64_t(y.N()) * blocks * y.H();
#pragma omp parallel for schedule(static) if (y.size() >= worth_threads)
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* values = bias + row / y.H() % blocks * b;
    const std::int64_t begin = row * y.W() * b;
    const float *from = x.data + begin, *more = plus.data + (with_plus ? begin : 0);
    float* to = y.data + begin;
    if (b == 1) {
#pragma omp simd
      for (int w = 0; w < y.W(); ++w) to[w] = from[w] + values[0] + (with_plus ? more[w] : 0.f);
      continue;
    }
    for (int w = 0; w < y.W(); ++w, from += b, to += b, more += with_plus ? b : 0)
#pragma omp simd
      for (int c = 0; c < b; ++c) to[c] = from[c] + values[c] + (with_plus ? more[c] : 0.f);
  }
}

}  // namespace

void add_bias(Queue& q, View<float> y, View<const float> x, const float* bias, View<const float> plus) {
  require_alike("add_bias", y, x);
  if (plus) require_alike("add_bias", plus, x);
  require(y.size() == 0 || bias != nullptr, "add_bias: no bias given");
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::add_bias(q, y, x, bias, plus);
  if (plus)
    add_bias_rows<true>(y, x, bias, plus);
  else
    add_bias_rows<false>(y, x, bias, plus);
}

void silu(Queue& q, View<float> y, View<const float> x) {
  require_alike("silu", y, x);
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::silu(q, y, x);
  for_each_index(y.size(), [to = y.data, from = x.data](std::int64_t i) {
    to[i] = from[i] / (1.f + fast_exp(-from[i]));
  });
}

void silu_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x) {
  require_alike("silu_backward", dx, dy);
  require_alike("silu_backward", dx, x);
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::silu_backward(q, dx, dy, x);
  for_each_index(dx.size(), [to = dx.data, from = dy.data, px = x.data](std::int64_t i) {
    const float s = 1.f / (1.f + fast_exp(-px[i]));
    to[i] = from[i] * (s * multiply_add(px[i], 1.f - s, 1.f));
  });
}

void divide_by_norm(Queue& q, View<float> y, View<const float> x, View<const double> squares, float factor) {
  require_alike("divide_by_norm", y, x);
  require(squares.shape == Shape{y.N(), 1, 1, 1}, "divide_by_norm: the sums have shape ", squares.shape,
          ", expected ", Shape{y.N(), 1, 1, 1});
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::divide_by_norm(q, y, x, squares, factor);
  for (int n = 0; n < y.N(); ++n) {
    const View<float> to = y.sample(n);
    const View<const float> from = x.sample(n);
    if (squares.data[n] == 0) {
      fill(q, to, 0);
      continue;
    }
    // In double: the norm of a tiny residual can be far below float's range.
    const double scale = factor / std::sqrt(squares.data[n]);
    for_each_index(to.size(),
                   [scale, py = to.data, px = from.data](std::int64_t i) { py[i] = float(scale * px[i]); });
  }
}

void ancestral_learned(Queue& q, View<float> y, float a, View<const float> x0, float b, View<const float> x,
                       View<const float> v, View<const float> noise, float log_beta, float log_posterior) {
  for (const View<const float>& input : {x0, x, v, noise}) require_alike("ancestral_learned", y, input);
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::ancestral_learned(q, y, a, x0, b, x, v, noise, log_beta, log_posterior);
  for_each_index(
      y.size(), [=, to = y.data, px0 = x0.data, px = x.data, pv = v.data, pz = noise.data](std::int64_t i) {
        const float f = multiply_add(0.5f, pv[i], 0.5f);
        const float half_log_variance = multiply_add(0.5f * f, log_beta, 0.5f * (1.f - f) * log_posterior);
        to[i] = multiply_add(a, px0[i], multiply_add(b, px[i], fast_exp(half_log_variance) * pz[i]));
      });
}

}  // namespace tweedie
