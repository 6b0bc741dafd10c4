// cuDNN's stand-in: the arithmetic. Every tensor is gathered through the strides of its descriptor into one
// plain order, convolved by one loop nest, and scattered through strides again: a wrong stride is wrong data.
#include <cmath>
#include <cstring>

#include "tests/machine/stand_in/cudnn_state.hpp"

namespace tweedie::stand_in {
namespace {

// (N, H, W, C), with zeros around; all offsets in elements.
struct Plain {
  std::int64_t N, H, W, C;
  std::vector<float> values;
  Plain(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c)
      : N(n), H(h), W(w), C(c), values(std::size_t(n * h * w * c)) {}
  float* at(std::int64_t n, std::int64_t h, std::int64_t w) {
    return values.data() + ((n * H + h) * W + w) * C;
  }
  const float* at(std::int64_t n, std::int64_t h, std::int64_t w) const {
    return values.data() + ((n * H + h) * W + w) * C;
  }
};

// TF32 keeps 10 of the 23 bits of the mantissa.
float rounded(float value, bool tf32) {
  if (!tf32) return value;
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  bits = (bits + 0x1000u) & ~0x1fffu;
  std::memcpy(&value, &bits, sizeof(bits));
  return value;
}

std::int64_t offset(const CudnnTensor& t, std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) {
  return n * t.strides[0] + c * t.strides[1] + h * t.strides[2] + w * t.strides[3];
}

// Element (n, c, h, w) goes to row `row + h * step_h` and column `column + w * step_w`, if there is one.
void gather(Plain& to, const float* from, const CudnnTensor& t, std::array<std::int64_t, 2> origin,
            std::array<std::int64_t, 2> step, bool tf32) {
#pragma omp parallel for collapse(2)
  for (std::int64_t n = 0; n < t.dimensions[0]; ++n)
    for (std::int64_t h = 0; h < t.dimensions[2]; ++h)
      for (std::int64_t w = 0; w < t.dimensions[3]; ++w) {
        const std::int64_t row = origin[0] + h * step[0], column = origin[1] + w * step[1];
        if (row < 0 || row >= to.H || column < 0 || column >= to.W) continue;
        float* const values = to.at(n, row, column);
        for (std::int64_t c = 0; c < t.dimensions[1]; ++c)
          values[c] = rounded(from[offset(t, n, c, h, w)], tf32);
      }
}

// Weights in the order (tap, in, out) of the loops below. Going backward, in and out change places and taps
// run the other way.
std::vector<float> gather_weights(const CudnnConvolution& c, const float* from, bool tf32) {
  const auto [K, C, R, S] = c.weights.dimensions;
  const std::int64_t in = c.backward ? K : C, out = c.backward ? C : K;
  std::vector<float> to(std::size_t(K * C * R * S));
  for (std::int64_t k = 0; k < K; ++k)
    for (std::int64_t i = 0; i < C; ++i)
      for (std::int64_t r = 0; r < R; ++r)
        for (std::int64_t s = 0; s < S; ++s) {
          const std::int64_t tap = c.backward ? (R - 1 - r) * S + S - 1 - s : r * S + s;
          const std::int64_t from_channel = c.backward ? k : i, to_channel = c.backward ? i : k;
          to[std::size_t((tap * in + from_channel) * out + to_channel)] =
              rounded(from[offset(c.weights, k, i, r, s)], tf32);
        }
  return to;
}

struct Loops {
  std::int64_t R, S;  ///< taps
  std::array<std::int64_t, 2> stride, dilation;
};

// `pixels` neighbouring outputs of a row times `width` channels, accumulated in registers.
template <int pixels, int width>
void tile(float* to, const Plain& from, const float* weights, const Loops& l, std::int64_t n, std::int64_t h,
          std::int64_t w, std::int64_t out) {
  float sums[pixels][width] = {};
  for (std::int64_t r = 0; r < l.R; ++r)
    for (std::int64_t s = 0; s < l.S; ++s) {
      const float* const x =
          from.at(n, h * l.stride[0] + r * l.dilation[0], w * l.stride[1] + s * l.dilation[1]);
      const float* const tap = weights + (r * l.S + s) * from.C * out;
      for (std::int64_t c = 0; c < from.C; ++c)
        for (int p = 0; p < pixels; ++p) {
          const float value = x[p * l.stride[1] * from.C + c];
#pragma omp simd
          for (int k = 0; k < width; ++k) sums[p][k] += value * tap[c * out + k];
        }
    }
  for (int p = 0; p < pixels; ++p)
    for (int k = 0; k < width; ++k) to[p * out + k] = sums[p][k];
}

template <int width>
void row(Plain& to, const Plain& from, const float* weights, const Loops& l, std::int64_t n, std::int64_t h,
         std::int64_t k) {
  std::int64_t w = 0;
  for (; w + 4 <= to.W; w += 4) tile<4, width>(to.at(n, h, w) + k, from, weights + k, l, n, h, w, to.C);
  for (; w < to.W; ++w) tile<1, width>(to.at(n, h, w) + k, from, weights + k, l, n, h, w, to.C);
}

void convolve(Plain& to, const Plain& from, const std::vector<float>& weights, const Loops& l) {
#pragma omp parallel for collapse(2)
  for (std::int64_t n = 0; n < to.N; ++n)
    for (std::int64_t h = 0; h < to.H; ++h) {
      std::int64_t k = 0;
      for (; k + 32 <= to.C; k += 32) row<32>(to, from, weights.data(), l, n, h, k);
      for (; k < to.C; ++k) row<1>(to, from, weights.data(), l, n, h, k);
    }
}

// `beta` of 0 must not read: the output may hold anything before.
void scatter(float* to, const CudnnTensor& t, const Plain& from, float alpha, float beta, float factor) {
#pragma omp parallel for collapse(2)
  for (std::int64_t n = 0; n < from.N; ++n)
    for (std::int64_t h = 0; h < from.H; ++h)
      for (std::int64_t w = 0; w < from.W; ++w)
        for (std::int64_t c = 0; c < from.C; ++c) {
          float& target = to[offset(t, n, c, h, w)];
          const float value = alpha * factor * from.at(n, h, w)[c];
          target = beta == 0 ? value : value + beta * target;
        }
}

// weights(k, i, r, s) = alpha sum over n, h, w of y(n, k, h, w) x(n, i, h stride + r dilation - pad, ...) +
// beta weights: straight from the definition, in double.
void gradient_by_weights(const CudnnConvolution& c, const Plain& x, const Plain& y, float* weights,
                         float factor) {
  const auto [K, C, R, S] = c.weights.dimensions;
#pragma omp parallel for collapse(2)
  for (std::int64_t k = 0; k < K; ++k)
    for (std::int64_t r = 0; r < R; ++r)
      for (std::int64_t s = 0; s < S; ++s) {
        std::vector<double> sums(std::size_t(C), 0.0);
        for (std::int64_t n = 0; n < y.N; ++n)
          for (std::int64_t h = 0; h < y.H; ++h)
            for (std::int64_t w = 0; w < y.W; ++w) {
              const double slope = y.at(n, h, w)[k];
              const float* const from =
                  x.at(n, h * c.stride[0] + r * c.dilation[0], w * c.stride[1] + s * c.dilation[1]);
              for (std::int64_t i = 0; i < C; ++i) sums[std::size_t(i)] += slope * double(from[i]);
            }
        for (std::int64_t i = 0; i < C; ++i) {
          float& target = weights[offset(c.weights, k, i, r, s)];
          const float value = c.alpha * factor * float(sums[std::size_t(i)]);
          target = c.beta == 0 ? value : value + c.beta * target;
        }
      }
}

}  // namespace

void run_convolution(const CudnnConvolution& c, std::int64_t engine, float* x, float* weights, float* y) {
  static int calls = 0;
  const bool tf32 = engine == engine_tensor_core;
  const float factor = engine == engine_nondeterministic && ++calls % 2 ? 1 + 0x1p-22f : 1;
  const auto [N, C, H, W] = c.x.dimensions;
  const std::int64_t K = c.weights.dimensions[0], R = c.weights.dimensions[2], S = c.weights.dimensions[3];
  if (c.by_weights) {
    Plain from(N, H + c.before[0] + c.after[0], W + c.before[1] + c.after[1], C),
        slope(N, c.y.dimensions[2], c.y.dimensions[3], K);
    gather(from, x, c.x, c.before, {1, 1}, tf32);
    gather(slope, y, c.y, {0, 0}, {1, 1}, tf32);
    gradient_by_weights(c, from, slope, weights, factor);
    return;
  }
  const std::vector<float> ordered = gather_weights(c, weights, tf32);
  if (!c.backward) {
    const std::int64_t rows = c.y.dimensions[2], columns = c.y.dimensions[3];
    Plain from(N, H + c.before[0] + c.after[0], W + c.before[1] + c.after[1], C), to(N, rows, columns, K);
    gather(from, x, c.x, c.before, {1, 1}, tf32);
    convolve(to, from, ordered, {R, S, c.stride, c.dilation});
    scatter(y, c.y, to, c.alpha, c.beta, factor);
    return;
  }
  // dx[i] is the sum over r of dy[(i + pad - r dilation) / stride] w[r], where that divides: a convolution of
  // stride 1 of dy with zeros put between its elements.
  const std::int64_t reach_h = (R - 1) * c.dilation[0], reach_w = (S - 1) * c.dilation[1];
  Plain from(N, H + reach_h, W + reach_w, K), to(N, H, W, C);
  gather(from, y, c.y, {reach_h - c.before[0], reach_w - c.before[1]}, c.stride, tf32);
  convolve(to, from, ordered, {R, S, {1, 1}, c.dilation});
  scatter(x, c.x, to, c.alpha, c.beta, factor);
}

}  // namespace tweedie::stand_in
