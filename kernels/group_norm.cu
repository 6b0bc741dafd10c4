#include <cmath>

#include "kernels/group_norm.cuh"

namespace tweedie::cuda {
namespace {

// ---- stage one

/// Sums of x and x^2 over the pixels of one thread, in float about a pivot, so that data far from 0 lose
/// nothing: with d = sum(x - p) and q = sum((x - p)^2) over r pixels, sum x = r p + d and
/// sum x^2 = q + 2 p d + r p^2, these two in double. The first pivot is one pixel, which may be far from the
/// rest; the second is the mean of the first four.
template <int width>
struct Moments {
  float pivot[width], d[width] = {}, q[width] = {};

  template <class T>
  __device__ explicit Moments(const Pack<T, width>& first) {
#pragma unroll
    for (int k = 0; k < width; ++k) pivot[k] = float(first.v[k]);
  }
  template <class T>
  __device__ void add(const Pack<T, width>& value) {
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const float difference = float(value.v[k]) - pivot[k];
      d[k] += difference;
      q[k] = fmaf(difference, difference, q[k]);
    }
  }
  __device__ void move_pivot(float r) {
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const float moved = pivot[k] + d[k] / r, step = moved - pivot[k];
      q[k] = fmaf(step, fmaf(r, step, -2 * d[k]), q[k]);
      d[k] = fmaf(-r, step, d[k]);
      pivot[k] = moved;
    }
  }
  /// `bias`: of each channel, what all its values lack; or null.
  __device__ void finish(double (&sums)[2 * width], double r, const float* bias) const {
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const double p = bias ? double(pivot[k]) + bias[k] : pivot[k];
      sums[k] = fma(r, p, double(d[k]));
      sums[width + k] = fma(p, fma(r, p, 2.0 * d[k]), double(q[k]));
    }
  }
};

/// Sums of x and of x^2 over a thread's pixels.
template <class T, int width>
__device__ void add_moments(double (&sums)[2 * width], const T* x, const float* x_bias, const Tiling& t,
                            const Place& at) {
  if (!at.active || at.begin >= at.end) return;
  const T* from = x + at.base;
  Moments<width> thread(load<T, width>(from + at.begin * t.b));
  std::int64_t pixel = at.begin;
  int count = 0;
  for (; pixel < at.end && count < 4; pixel += blockDim.y, ++count)
    thread.add(load<T, width>(from + pixel * t.b));
  thread.move_pivot(float(count));
  for (; pixel < at.end; pixel += blockDim.y, ++count) thread.add(load<T, width>(from + pixel * t.b));
  thread.finish(sums, count, x_bias ? x_bias + at.c : nullptr);
}

/// Sums of dh and of dh (x - mean) over a thread's pixels.
template <class T, int width, bool with_silu>
__device__ void add_products(float (&sums)[2 * width], const T* dy, const T* x, const Coefficients<width>& c,
                             const Tiling& t, const Place& at) {
  for (std::int64_t pixel = at.begin; pixel < at.end; pixel += blockDim.y) {
    const std::int64_t i = at.base + pixel * t.b;
    const Pack<T, width> value = load<T, width>(x + i), slope = load<T, width>(dy + i);
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const float difference = float(value.v[k]) - c.mean[k];
      const float dh = before_silu<with_silu>(float(slope.v[k]), difference, c.scale[k], c.shift[k]);
      sums[k] += dh;
      sums[width + k] = fmaf(dh, difference, sums[width + k]);
    }
  }
}

template <class T, int width>
__global__ void moments(double2* partial, const T* x, const float* x_bias, Tiling t) {
  const Place at(t);
  double sums[2 * width] = {};
  add_moments<T, width>(sums, x, x_bias, t, at);
  sum_over_y(sums);
  if (!at.active || threadIdx.y != 0) return;
#pragma unroll
  for (int k = 0; k < width; ++k) partial[at.partial(t, k)] = make_double2(sums[k], sums[width + k]);
}

template <class T, int width, bool with_silu>
__global__ void products(double2* partial, const T* dy, const T* x, const float* stats, GroupNormParameters p,
                         Tiling t) {
  const Place at(t);
  float sums[2 * width] = {};
  if (at.active) {
    const Coefficients<width> c(t, at, p, stats, nullptr);
    add_products<T, width, with_silu>(sums, dy, x, c, t, at);
  }
  sum_over_y(sums);
  if (!at.active || threadIdx.y != 0) return;
#pragma unroll
  for (int k = 0; k < width; ++k) partial[at.partial(t, k)] = make_double2(sums[k], sums[width + k]);
}

// ---- stage two: one block per sample and group

constexpr int combine_threads = 128;

/// The sums of this block's group, its channels weighted when `weighted`; the same in every thread.
__device__ double2 sum_group(const double2* partial, const GroupNormParameters& p, const Tiling& t,
                             bool weighted) {
  const int n = int(blockIdx.x) / p.groups, group = int(blockIdx.x) % p.groups;
  const int group_channels = t.C / p.groups, first = group * group_channels;
  const std::int64_t count = std::int64_t(group_channels) * t.chunks;
  const double2* parts = partial + std::int64_t(n) * t.chunks * t.C + first;
  double2 sum = make_double2(0, 0);
  for (std::int64_t i = threadIdx.x; i < count; i += combine_threads) {
    const int channel = int(i % group_channels);
    const double w = weighted ? channel_weight(p, n, t.C, first + channel) : 1.0f;
    const double2 part = parts[i / group_channels * t.C + channel];
    sum.x = fma(w, part.x, sum.x);
    sum.y = fma(w, part.y, sum.y);
  }
  sum = make_double2(warp_sum(sum.x), warp_sum(sum.y));
  __shared__ double2 shared[combine_threads / 32];
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = sum;
  __syncthreads();
  double2 total = shared[0];
  for (int warp = 1; warp < combine_threads / 32; ++warp) {
    total.x += shared[warp].x;
    total.y += shared[warp].y;
  }
  return total;
}

/// Mean and 1 / sqrt(variance + eps) of a group, from its sums of x and x^2.
__device__ void write_statistics(float* stats, const double2& sum, const GroupNormParameters& p,
                                 const Tiling& t) {
  const double count = double(t.C / p.groups) * double(t.plane);
  const double mean = sum.x / count, variance = fmax(0.0, sum.y / count - mean * mean);
  stats[0] = float(mean);
  stats[1] = float(1.0 / sqrt(variance + double(p.eps)));
}

/// With u = x - mean, w = gamma (1 + scale), M elements in a group and sums over the group:
///   dx = rstd w dh + k0 + k1 u ,  k0 = -rstd sum(w dh) / M ,  k1 = -rstd^3 sum(w dh u) / M .
__device__ float2 terms_of(const double2& sum, double rstd, const GroupNormParameters& p, const Tiling& t) {
  const double count = double(t.C / p.groups) * double(t.plane);
  return make_float2(float(-rstd * sum.x / count), float(-rstd * rstd * rstd * sum.y / count));
}

__global__ void combine_moments(float* stats, const double2* partial, GroupNormParameters p, Tiling t) {
  const double2 sum = sum_group(partial, p, t, false);
  if (threadIdx.x == 0) write_statistics(stats + 2 * blockIdx.x, sum, p, t);
}

__global__ void combine_products(float2* terms, const double2* partial, const float* stats,
                                 GroupNormParameters p, Tiling t) {
  const double2 sum = sum_group(partial, p, t, true);
  if (threadIdx.x == 0) terms[blockIdx.x] = terms_of(sum, stats[2 * blockIdx.x + 1], p, t);
}

/// One warp a channel. With S1 = sum dh and S2 = sum dh u over the pixels of one sample's channel, v = rstd
/// S2:
///   dgamma += (1 + scale) v,  dbeta += (1 + scale) S1,  dscale = gamma v + beta S1,  dshift = S1 .
__global__ void combine_gradients(GroupNormGradients to, const double2* partial, const float* stats,
                                  GroupNormParameters p, Tiling t) {
  const int c = int(blockIdx.x), lane = int(threadIdx.x);
  double dgamma = 0, dbeta = 0;
  for (int n = 0; n < t.N; ++n) {
    const double2* parts = partial + std::int64_t(n) * t.chunks * t.C + c;
    double first = 0, second = 0;
    for (int i = lane; i < t.chunks; i += 32) {
      const double2 part = parts[std::int64_t(i) * t.C];
      first += part.x;
      second += part.y;
    }
    first = warp_sum(first);
    second = warp_sum(second) * stats[2 * (std::int64_t(n) * p.groups + c / (t.C / p.groups)) + 1];
    const double scale = p.scale_shift ? 1.0 + p.scale_shift[std::int64_t(n) * 2 * t.C + c] : 1.0;
    dgamma = fma(scale, second, dgamma);
    dbeta = fma(scale, first, dbeta);
    if (to.scale_shift && lane == 0) {
      float* const modulation = to.scale_shift + std::int64_t(n) * 2 * t.C;
      modulation[c] = float(p.gamma[c] * second + p.beta[c] * first);
      modulation[t.C + c] = float(first);
    }
  }
  if (!to.gamma || lane != 0) return;
  to.gamma[c] += float(dgamma);
  to.beta[c] += float(dbeta);
}

// ---- the passes that write

template <class T, int width, bool with_silu>
__device__ void write_y_pixels(T* y, const T* x, const Coefficients<width>& c, const Tiling& t,
                               const Place& at) {
  for (std::int64_t pixel = at.begin; pixel < at.end; pixel += blockDim.y) {
    const std::int64_t i = at.base + pixel * t.b;
    Pack<T, width> value = load<T, width>(x + i);
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const float h = fmaf(float(value.v[k]) - c.mean[k], c.scale[k], c.shift[k]);
      value.v[k] = T(with_silu ? h * sigmoid(h) : h);
    }
    store(y + i, value);
  }
}

/// plus and plus2 may be null; dx may be dy, plus or plus2: a thread reads what it overwrites before it does.
template <class T, int width, bool with_silu>
__device__ void write_dx_pixels(T* dx, const T* dy, const T* x, const T* plus, const T* plus2,
                                const Coefficients<width>& c, const Tiling& t, const Place& at) {
  for (std::int64_t pixel = at.begin; pixel < at.end; pixel += blockDim.y) {
    const std::int64_t i = at.base + pixel * t.b;
    const Pack<T, width> value = load<T, width>(x + i);
    Pack<T, width> slope = load<T, width>(dy + i), more{}, more2{};
    if (plus) more = load<T, width>(plus + i);
    if (plus2) more2 = load<T, width>(plus2 + i);
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const float difference = float(value.v[k]) - c.mean[k];
      const float dh = before_silu<with_silu>(float(slope.v[k]), difference, c.scale[k], c.shift[k]);
      const float rest = fmaf(difference, c.k1[k], c.k0[k] + float(more.v[k]) + float(more2.v[k]));
      slope.v[k] = T(fmaf(dh, c.scale[k], rest));
    }
    store(dx + i, slope);
  }
}

template <class T, int width, bool with_silu>
__global__ void write_y(T* y, const T* x, const float* stats, GroupNormParameters p, Tiling t) {
  const Place at(t);
  if (!at.active) return;
  write_y_pixels<T, width, with_silu>(y, x, Coefficients<width>(t, at, p, stats, nullptr), t, at);
}

template <class T, int width, bool with_silu>
__global__ void write_dx(T* dx, const T* dy, const T* x, const T* plus, const T* plus2, const float* stats,
                         const float2* terms, GroupNormParameters p, Tiling t) {
  const Place at(t);
  if (!at.active) return;
  write_dx_pixels<T, width, with_silu>(dx, dy, x, plus, plus2, Coefficients<width>(t, at, p, stats, terms), t,
                                       at);
}

// ---- all stages at once, where a block has a group to itself

template <class T, int width, bool with_silu>
__global__ void whole_forward(T* y, float* stats, const T* x, GroupNormParameters p, Tiling t) {
  const Place at = Place::of_group(t, p.groups);
  double sums[2 * width] = {};
  add_moments<T, width>(sums, x, p.x_bias, t, at);
  double2 own = make_double2(0, 0);
#pragma unroll
  for (int k = 0; k < width; ++k) own = make_double2(own.x + sums[k], own.y + sums[width + k]);
  const double2 sum = sum_whole_block(own);
  if (threadIdx.x == 0 && threadIdx.y == 0) write_statistics(stats + 2 * blockIdx.x, sum, p, t);
  __syncthreads();
  write_y_pixels<T, width, with_silu>(y, x, Coefficients<width>(t, at, p, stats, nullptr), t, at);
}

template <class T, int width, bool with_silu>
__global__ void whole_backward(T* dx, const T* dy, const T* x, const T* plus, const T* plus2,
                               const float* stats, GroupNormParameters p, Tiling t) {
  const Place at = Place::of_group(t, p.groups);
  Coefficients<width> c(t, at, p, stats, nullptr);
  float sums[2 * width] = {};
  add_products<T, width, with_silu>(sums, dy, x, c, t, at);
  double2 own = make_double2(0, 0);
#pragma unroll
  for (int k = 0; k < width; ++k) {
    const double w = channel_weight(p, at.n, t.C, at.c + k);
    own = make_double2(fma(w, double(sums[k]), own.x), fma(w, double(sums[width + k]), own.y));
  }
  const float2 terms = terms_of(sum_whole_block(own), stats[2 * blockIdx.x + 1], p, t);
#pragma unroll
  for (int k = 0; k < width; ++k) {
    c.k0[k] = terms.x;
    c.k1[k] = terms.y;
  }
  write_dx_pixels<T, width, with_silu>(dx, dy, x, plus, plus2, c, t, at);
}

template <int width, bool with_silu>
void again(Queue& q, View<float> y, View<const float> stats, View<const float> x,
           const GroupNormParameters& p, const Tiling& t) {
  write_y<float, width, with_silu>
      <<<t.grid(), t.threads(), 0, q.stream()>>>(y.data, x.data, stats.data, p, t);
  check_launch("group_norm write_y");
}

template <int width, bool with_silu>
void forward(Queue& q, View<float> y, View<float> stats, View<const float> x, const GroupNormParameters& p,
             const Tiling& t) {
  if (const WholeGroup whole(t, p.groups); whole.fits) {
    whole_forward<float, width, with_silu>
        <<<whole.blocks, whole.threads, 0, q.stream()>>>(y.data, stats.data, x.data, p, t);
    return check_launch("group_norm whole_forward");
  }
  auto* partial = static_cast<double2*>(q.scratch(std::size_t(t.partials()) * sizeof(double2)));
  moments<float, width><<<t.grid(), t.threads(), 0, q.stream()>>>(partial, x.data, p.x_bias, t);
  check_launch("group_norm moments");
  combine_moments<<<unsigned(t.N * p.groups), combine_threads, 0, q.stream()>>>(stats.data, partial, p, t);
  check_launch("group_norm combine_moments");
  again<width, with_silu>(q, y, stats, x, p, t);
}

template <int width, bool with_silu>
void backward_whole(Queue& q, View<float> dx, View<const float> dy, View<const float> x,
                    View<const float> stats, const GroupNormParameters& p, View<const float> plus,
                    View<const float> plus2, const WholeGroup& whole, const Tiling& t) {
  whole_backward<float, width, with_silu><<<whole.blocks, whole.threads, 0, q.stream()>>>(
      dx.data, dy.data, x.data, plus.data, plus2.data, stats.data, p, t);
  check_launch("group_norm whole_backward");
}

// dx is the same, to the bit, with gradients or without. Where a block has a group to itself the gradients'
// sums are a pass of their own: only training pays for it, and only on small maps.
template <int width, bool with_silu>
void backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x, View<const float> stats,
              const GroupNormParameters& p, View<const float> plus, const GroupNormGradients& gradients,
              View<const float> plus2, const Tiling& t) {
  const WholeGroup whole(t, p.groups);
  if (whole.fits && !gradients)
    return backward_whole<width, with_silu>(q, dx, dy, x, stats, p, plus, plus2, whole, t);
  const std::size_t partial_bytes = std::size_t(t.partials()) * sizeof(double2);
  auto* partial = static_cast<double2*>(
      q.scratch(partial_bytes + std::size_t(t.N) * std::size_t(p.groups) * sizeof(float2)));
  auto* terms = reinterpret_cast<float2*>(partial + t.partials());
  products<float, width, with_silu>
      <<<t.grid(), t.threads(), 0, q.stream()>>>(partial, dy.data, x.data, stats.data, p, t);
  check_launch("group_norm products");
  if (gradients) {
    combine_gradients<<<unsigned(t.C), 32, 0, q.stream()>>>(gradients, partial, stats.data, p, t);
    check_launch("group_norm combine_gradients");
  }
  if (whole.fits) return backward_whole<width, with_silu>(q, dx, dy, x, stats, p, plus, plus2, whole, t);
  combine_products<<<unsigned(t.N * p.groups), combine_threads, 0, q.stream()>>>(terms, partial, stats.data,
                                                                                 p, t);
  check_launch("group_norm combine_products");
  write_dx<float, width, with_silu><<<t.grid(), t.threads(), 0, q.stream()>>>(
      dx.data, dy.data, x.data, plus.data, plus2.data, stats.data, terms, p, t);
  check_launch("group_norm write_dx");
}

}  // namespace

void group_norm(Queue& q, View<float> y, View<float> stats, View<const float> x,
                const GroupNormParameters& p) {
  const bool packed = x.b % 4 == 0 && aligned(y.data, x.data);
  const Tiling t(x, packed);
  const auto run = packed ? (p.silu ? forward<4, true> : forward<4, false>)
                          : (p.silu ? forward<1, true> : forward<1, false>);
  run(q, y, stats, x, p, t);
}

void group_norm_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x,
                         View<const float> stats, const GroupNormParameters& p, View<const float> plus,
                         const GroupNormGradients& gradients, View<const float> plus2) {
  const bool packed = x.b % 4 == 0 && aligned(dx.data, dy.data, x.data, plus.data, plus2.data);
  const Tiling t(x, packed);
  const auto run = packed ? (p.silu ? backward<4, true> : backward<4, false>)
                          : (p.silu ? backward<1, true> : backward<1, false>);
  run(q, dx, dy, x, stats, p, plus, gradients, plus2, t);
}

void group_norm_again(Queue& q, View<float> y, View<const float> stats, View<const float> x,
                      const GroupNormParameters& p) {
  const bool packed = x.b % 4 == 0 && aligned(y.data, x.data);
  const Tiling t(x, packed);
  const auto run =
      packed ? (p.silu ? again<4, true> : again<4, false>) : (p.silu ? again<1, true> : again<1, false>);
  run(q, y, stats, x, p, t);
}

}  // namespace tweedie::cuda
