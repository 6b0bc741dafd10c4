#include <cmath>

#include "kernels/group_norm.hpp"
#include "kernels/pack.cuh"

namespace tweedie::cuda {
namespace {

// A thread block owns up to `threads_x` packs of neighbouring channels of one channel block and a chunk of
// pixels; a thread keeps its pack of channels, so their coefficients are loaded once. The cut depends on the
// shape alone, so the sums do not depend on the GPU. Two sums per channel leave each block (stage one), a
// small kernel combines those of a group in double (stage two), and a last one writes.
struct Tiling {
  int N, C, b, blocks, tiles, chunks, threads_x, threads_y, width;
  std::int64_t plane, chunk_pixels;

  Tiling(const View<const float>& x, bool packed)
      : N(x.N()), C(x.C()), b(x.b), blocks(x.C() / x.b), width(packed ? 4 : 1), plane(x.shape.plane()) {
    const int columns = b / width;
    threads_x = std::min(columns, block_threads);
    threads_y = block_threads / threads_x;
    tiles = (columns + threads_x - 1) / threads_x;
    // Some 1024 blocks fill any GPU and leave each thread pixels enough to repay loading its coefficients; 64
    // pixels to a thread is as long a float sum as stays accurate.
    const std::int64_t wanted_chunks = std::max<std::int64_t>(1, 1024 / (std::int64_t(N) * blocks * tiles));
    const std::int64_t per_thread = plane / (wanted_chunks * threads_y) + 1;
    chunk_pixels = std::clamp<std::int64_t>(per_thread, 4, 64) * threads_y;
    chunks = int((plane + chunk_pixels - 1) / chunk_pixels);
  }
  std::int64_t partials() const { return std::int64_t(N) * C * chunks; }
  unsigned grid() const {
    const std::int64_t count = std::int64_t(N) * blocks * tiles * chunks;
    require(count < (std::int64_t(1) << 31), "group_norm: the tensor is too large for one launch");
    return unsigned(count);
  }
  dim3 threads() const { return dim3(unsigned(threads_x), unsigned(threads_y)); }
};

/// What a thread of such a block works on.
struct Place {
  int n, c, column, chunk;
  bool active;
  std::int64_t base;  ///< offset of the thread's channels at pixel 0
  std::int64_t begin, end;

  __device__ explicit Place(const Tiling& t) {
    std::int64_t index = blockIdx.x;
    chunk = int(index % t.chunks);
    index /= t.chunks;
    column = (int(index % t.tiles) * t.threads_x + int(threadIdx.x)) * t.width;
    index /= t.tiles;
    n = int(index / t.blocks);
    c = int(index % t.blocks) * t.b + column;
    active = column < t.b;
    base = index * t.plane * t.b + column;
    begin = chunk * t.chunk_pixels + threadIdx.y;
    const std::int64_t stop = (chunk + 1) * t.chunk_pixels;
    end = stop < t.plane ? stop : t.plane;
  }
  /// Where the sums of channel c + k of this chunk lie: (N, C, chunks).
  __device__ std::int64_t partial(const Tiling& t, int k) const {
    return (std::int64_t(n) * t.C + c + k) * t.chunks + chunk;
  }
};

__device__ float channel_weight(const GroupNormParameters& p, int n, int C, int c) {
  return p.scale_shift ? p.gamma[c] * (1.0f + p.scale_shift[std::int64_t(n) * 2 * C + c]) : p.gamma[c];
}

/// h = (x - mean) scale + shift for the channels of one thread; k0 and k1 in the backward pass.
template <int width>
struct Coefficients {
  float mean[width], scale[width], shift[width], k0[width], k1[width];

  __device__ Coefficients(const Tiling& t, const Place& at, const GroupNormParameters& p, const float* stats,
                          const float2* terms) {
    const int group_channels = t.C / p.groups;
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const int c = at.c + k;
      const std::int64_t group = std::int64_t(at.n) * p.groups + c / group_channels;
      mean[k] = stats[2 * group];
      scale[k] = stats[2 * group + 1] * channel_weight(p, at.n, t.C, c);
      shift[k] = p.beta[c];
      if (p.scale_shift) {
        const float* modulation = p.scale_shift + std::int64_t(at.n) * 2 * t.C;
        shift[k] = fmaf(shift[k], 1.0f + modulation[c], modulation[t.C + c]);
      }
      k0[k] = terms ? terms[group].x : 0;
      k1[k] = terms ? terms[group].y : 0;
    }
  }
};

__device__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

/// dh = dy silu'(h), silu'(h) = s (1 + h (1 - s)) with s = sigmoid(h).
template <bool with_silu>
__device__ float before_silu(float dy, float difference, float scale, float shift) {
  if (!with_silu) return dy;
  const float h = fmaf(difference, scale, shift), s = sigmoid(h);
  return dy * s * fmaf(h, 1.0f - s, 1.0f);
}

/// Sums `values` over threadIdx.y; the result is in the threads with threadIdx.y == 0. All threads call it.
template <class Sum, int count>
__device__ void sum_over_y(Sum (&values)[count]) {
  __shared__ Sum shared[count][block_threads];
  const unsigned y = threadIdx.y, rows = blockDim.y, i = y * blockDim.x + threadIdx.x;
#pragma unroll
  for (int k = 0; k < count; ++k) shared[k][i] = values[k];
  unsigned half = 1;
  while (half < rows) half *= 2;
  for (half /= 2; half > 0; half /= 2) {
    __syncthreads();
    if (y < half && y + half < rows) {
#pragma unroll
      for (int k = 0; k < count; ++k) shared[k][i] += shared[k][i + half * blockDim.x];
    }
  }
#pragma unroll
  for (int k = 0; k < count; ++k) values[k] = shared[k][i];
}

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
  __device__ void finish(double (&sums)[2 * width], double r) const {
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const double p = pivot[k];
      sums[k] = fma(r, p, double(d[k]));
      sums[width + k] = fma(p, fma(r, p, 2.0 * d[k]), double(q[k]));
    }
  }
};

template <class T, int width>
__global__ void moments(double2* partial, const T* x, Tiling t) {
  const Place at(t);
  double sums[2 * width] = {};
  if (at.active && at.begin < at.end) {
    const T* from = x + at.base;
    Moments<width> thread(load<T, width>(from + at.begin * t.b));
    std::int64_t pixel = at.begin;
    int count = 0;
    for (; pixel < at.end && count < 4; pixel += blockDim.y, ++count)
      thread.add(load<T, width>(from + pixel * t.b));
    thread.move_pivot(float(count));
    for (; pixel < at.end; pixel += blockDim.y, ++count) thread.add(load<T, width>(from + pixel * t.b));
    thread.finish(sums, count);
  }
  sum_over_y(sums);
  if (!at.active || threadIdx.y != 0) return;
#pragma unroll
  for (int k = 0; k < width; ++k) partial[at.partial(t, k)] = make_double2(sums[k], sums[width + k]);
}

/// Sums of dh and dh (x - mean).
template <class T, int width, bool with_silu>
__global__ void products(double2* partial, const T* dy, const T* x, const float* stats, GroupNormParameters p,
                         Tiling t) {
  const Place at(t);
  float sums[2 * width] = {};
  if (at.active) {
    const Coefficients<width> c(t, at, p, stats, nullptr);
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
  const double2* parts = partial + (std::int64_t(n) * t.C + first) * t.chunks;
  double2 sum = make_double2(0, 0);
  for (std::int64_t i = threadIdx.x; i < count; i += combine_threads) {
    const double w = weighted ? channel_weight(p, n, t.C, first + int(i / t.chunks)) : 1.0f;
    sum.x = fma(w, parts[i].x, sum.x);
    sum.y = fma(w, parts[i].y, sum.y);
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

__global__ void combine_moments(float* stats, const double2* partial, GroupNormParameters p, Tiling t) {
  const double2 sum = sum_group(partial, p, t, false);
  if (threadIdx.x != 0) return;
  const double count = double(t.C / p.groups) * double(t.plane);
  const double mean = sum.x / count, variance = fmax(0.0, sum.y / count - mean * mean);
  stats[2 * blockIdx.x] = float(mean);
  stats[2 * blockIdx.x + 1] = float(1.0 / sqrt(variance + double(p.eps)));
}

/// With u = x - mean, w = gamma (1 + scale), M elements in a group and sums over the group:
///   dx = rstd w dh + k0 + k1 u ,  k0 = -rstd sum(w dh) / M ,  k1 = -rstd^3 sum(w dh u) / M .
__global__ void combine_products(float2* terms, const double2* partial, const float* stats,
                                 GroupNormParameters p, Tiling t) {
  const double2 sum = sum_group(partial, p, t, true);
  if (threadIdx.x != 0) return;
  const double count = double(t.C / p.groups) * double(t.plane), rstd = stats[2 * blockIdx.x + 1];
  terms[blockIdx.x] = make_float2(float(-rstd * sum.x / count), float(-rstd * rstd * rstd * sum.y / count));
}

/// One warp a channel. With S1 = sum dh and S2 = sum dh u over the pixels of one sample's channel, v = rstd
/// S2:
///   dgamma += (1 + scale) v,  dbeta += (1 + scale) S1,  dscale = gamma v + beta S1,  dshift = S1 .
__global__ void combine_gradients(GroupNormGradients to, const double2* partial, const float* stats,
                                  GroupNormParameters p, Tiling t) {
  const int c = int(blockIdx.x), lane = int(threadIdx.x);
  double dgamma = 0, dbeta = 0;
  for (int n = 0; n < t.N; ++n) {
    const double2* parts = partial + (std::int64_t(n) * t.C + c) * t.chunks;
    double first = 0, second = 0;
    for (int i = lane; i < t.chunks; i += 32) {
      first += parts[i].x;
      second += parts[i].y;
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
__global__ void write_y(T* y, const T* x, const float* stats, GroupNormParameters p, Tiling t) {
  const Place at(t);
  if (!at.active) return;
  const Coefficients<width> c(t, at, p, stats, nullptr);
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

// plus may be null; dx may be dy or plus: a thread reads what it overwrites before it does.
template <class T, int width, bool with_silu>
__global__ void write_dx(T* dx, const T* dy, const T* x, const T* plus, const float* stats,
                         const float2* terms, GroupNormParameters p, Tiling t) {
  const Place at(t);
  if (!at.active) return;
  const Coefficients<width> c(t, at, p, stats, terms);
  for (std::int64_t pixel = at.begin; pixel < at.end; pixel += blockDim.y) {
    const std::int64_t i = at.base + pixel * t.b;
    const Pack<T, width> value = load<T, width>(x + i);
    Pack<T, width> slope = load<T, width>(dy + i), more{};
    if (plus) more = load<T, width>(plus + i);
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const float difference = float(value.v[k]) - c.mean[k];
      const float dh = before_silu<with_silu>(float(slope.v[k]), difference, c.scale[k], c.shift[k]);
      const float rest = fmaf(difference, c.k1[k], c.k0[k] + float(more.v[k]));
      slope.v[k] = T(fmaf(dh, c.scale[k], rest));
    }
    store(dx + i, slope);
  }
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
  auto* partial = static_cast<double2*>(q.scratch(std::size_t(t.partials()) * sizeof(double2)));
  moments<float, width><<<t.grid(), t.threads(), 0, q.stream()>>>(partial, x.data, t);
  check_launch("group_norm moments");
  combine_moments<<<unsigned(t.N * p.groups), combine_threads, 0, q.stream()>>>(stats.data, partial, p, t);
  check_launch("group_norm combine_moments");
  again<width, with_silu>(q, y, stats, x, p, t);
}

template <int width, bool with_silu>
void backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x, View<const float> stats,
              const GroupNormParameters& p, View<const float> plus, const GroupNormGradients& gradients,
              const Tiling& t) {
  const std::size_t partial_bytes = std::size_t(t.partials()) * sizeof(double2);
  auto* partial = static_cast<double2*>(
      q.scratch(partial_bytes + std::size_t(t.N) * std::size_t(p.groups) * sizeof(float2)));
  auto* terms = reinterpret_cast<float2*>(partial + t.partials());
  products<float, width, with_silu>
      <<<t.grid(), t.threads(), 0, q.stream()>>>(partial, dy.data, x.data, stats.data, p, t);
  check_launch("group_norm products");
  combine_products<<<unsigned(t.N * p.groups), combine_threads, 0, q.stream()>>>(terms, partial, stats.data,
                                                                                 p, t);
  check_launch("group_norm combine_products");
  if (gradients) {
    combine_gradients<<<unsigned(t.C), 32, 0, q.stream()>>>(gradients, partial, stats.data, p, t);
    check_launch("group_norm combine_gradients");
  }
  write_dx<float, width, with_silu><<<t.grid(), t.threads(), 0, q.stream()>>>(
      dx.data, dy.data, x.data, plus.data, stats.data, terms, p, t);
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
                         const GroupNormGradients& gradients) {
  const bool packed = x.b % 4 == 0 && aligned(dx.data, dy.data, x.data, plus.data);
  const Tiling t(x, packed);
  const auto run = packed ? (p.silu ? backward<4, true> : backward<4, false>)
                          : (p.silu ? backward<1, true> : backward<1, false>);
  run(q, dx, dy, x, stats, p, plus, gradients, t);
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
