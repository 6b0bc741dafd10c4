#include <cmath>

#include "kernels/group_norm_moments.cuh"
#include "kernels/group_norm_write.cuh"

namespace tweedie::cuda {
namespace {

// ---- stage one

/// Sums of dh and of dh (x - mean) over a thread's pixels; dy is read as `back` says.
template <class T, int width, bool with_silu>
__device__ void add_products(float (&sums)[2 * width], const float* dy, const Parts<const T>& x,
                             const Sampling& back, const Coefficients<width>& c, const Tiling& t,
                             const Place& at) {
  const Strip<const T> strip = x.strip(t, at, t.plane);
  const float* from = dy + at.offset(t, back.source_plane(t.plane));
  for (std::int64_t pixel = at.begin; pixel < at.end; pixel += blockDim.y) {
    const Pack<T, width> value = load<T, width>(strip.data + pixel * strip.step);
    const Pack<float, width> slope = sample<float, width>(from, t.b, pixel, back);
#pragma unroll
    for (int k = 0; k < width; ++k) {
      const float difference = float(value.v[k]) - c.mean[k];
      const float dh = before_silu<with_silu>(slope.v[k], difference, c.scale[k], c.shift[k]);
      sums[k] += dh;
      sums[width + k] = fmaf(dh, difference, sums[width + k]);
    }
  }
}

/// x is read as its parts are, or formed of them and written.
template <class T, int width, bool forms>
__device__ void add_moments_of(double (&sums)[2 * width], const Source<T>& from, const float* x_bias,
                               const Tiling& t, const Place& at) {
  if (!at.active) return;
  if constexpr (forms)
    add_moments<width>(sums, Formed<T, width>(from, t, at), x_bias, at);
  else
    add_moments<width>(sums, Stored<T, width>{from.parts.strip(t, at, t.plane)}, x_bias, at);
}

template <class T, int width, bool forms>
__global__ void moments(double2* partial, Source<T> from, const float* x_bias, Tiling t) {
  const Place at(t);
  double sums[2 * width] = {};
  add_moments_of<T, width, forms>(sums, from, x_bias, t, at);
  sum_over_y(sums);
  if (!at.active || threadIdx.y != 0) return;
#pragma unroll
  for (int k = 0; k < width; ++k) partial[at.partial(t, k)] = make_double2(sums[k], sums[width + k]);
}

/// Not `resampled`, `back` is not looked at: the common case is spared the registers of the other.
template <class T, int width, bool with_silu, bool resampled>
__global__ void products(double2* partial, const float* dy, Parts<const T> x, Sampling back,
                         const float* stats, GroupNormParameters p, Tiling t) {
  const Place at(t);
  float sums[2 * width] = {};
  if (at.active) {
    const Coefficients<width> c(t, at, p, stats, nullptr);
    add_products<T, width, with_silu>(sums, dy, x, resampled ? back : Sampling(), c, t, at);
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

/// t cuts the smaller of x and y, which is W wide.
template <class T, int width, bool with_silu, Resample how>
__global__ void write_y(float* y, Parts<const T> x, const float* stats, GroupNormParameters p, Tiling t,
                        unsigned W) {
  const Place at(t);
  if (!at.active) return;
  const Coefficients<width> c(t, at, p, stats, nullptr);
  write_y_pixels<T, width, with_silu, how>(y, x, c, t, at, at.begin, at.end, t.plane, W);
}

template <class T, int width, bool with_silu, bool resampled>
__global__ void write_dx(Parts<float> dx, const float* dy, Parts<const T> x, const float* plus,
                         const float* plus2, Sampling back, const float* stats, const float2* terms,
                         GroupNormParameters p, Tiling t) {
  const Place at(t);
  if (!at.active) return;
  const Coefficients<width> c(t, at, p, stats, terms);
  write_dx_pixels<T, width, with_silu>(dx, dy, x, plus, plus2, resampled ? back : Sampling(), c, t, at);
}

// ---- all stages at once, where a block has a group to itself

/// t cuts x, which is W wide.
template <class T, int width, bool with_silu, bool forms>
__global__ void whole_forward(float* y, float* stats, Source<T> from, GroupNormParameters p, Tiling t,
                              unsigned W) {
  const Place at = Place::of_group(t, p.groups);
  double sums[2 * width] = {};
  add_moments_of<T, width, forms>(sums, from, p.x_bias, t, at);
  double2 own = make_double2(0, 0);
#pragma unroll
  for (int k = 0; k < width; ++k) own = make_double2(own.x + sums[k], own.y + sums[width + k]);
  const double2 sum = sum_whole_block(own);
  if (threadIdx.x == 0 && threadIdx.y == 0) write_statistics(stats + 2 * blockIdx.x, sum, p, t);
  __syncthreads();  // statistics and x are written
  const Parts<const T>& x = from.parts;
  const Coefficients<width> c(t, at, p, stats, nullptr);
  const std::int64_t first = threadIdx.y, quarter = t.plane / 4;
  if (p.resample == Resample::up)
    write_y_pixels<T, width, with_silu, Resample::up>(y, x, c, t, at, first, t.plane, t.plane, W);
  else if (p.resample == Resample::down)
    write_y_pixels<T, width, with_silu, Resample::down>(y, x, c, t, at, first, quarter, quarter, W / 2);
  else
    write_y_pixels<T, width, with_silu, Resample::none>(y, x, c, t, at, first, t.plane, t.plane, W);
}

template <class T, int width, bool with_silu>
__global__ void whole_backward(Parts<float> dx, const float* dy, Parts<const T> x, const float* plus,
                               const float* plus2, Sampling back, const float* stats, GroupNormParameters p,
                               Tiling t) {
  const Place at = Place::of_group(t, p.groups);
  Coefficients<width> c(t, at, p, stats, nullptr);
  float sums[2 * width] = {};
  add_products<T, width, with_silu>(sums, dy, x, back, c, t, at);
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
  write_dx_pixels<T, width, with_silu>(dx, dy, x, plus, plus2, back, c, t, at);
}

/// x is of `shape` and its norm's output y, whose block is the joint one of x's parts.
template <class T, int width, bool with_silu>
void again(Queue& q, View<float> y, View<const float> stats, const Parts<const T>& x, const Shape& shape,
           const GroupNormParameters& p) {
  const Shape smaller = p.resample == Resample::down ? y.shape : shape;
  const Tiling t(smaller, y.b, width == 4);
  const auto kernel = p.resample == Resample::up     ? write_y<T, width, with_silu, Resample::up>
                      : p.resample == Resample::down ? write_y<T, width, with_silu, Resample::down>
                                                     : write_y<T, width, with_silu, Resample::none>;
  kernel<<<t.grid(), t.threads(), 0, q.stream()>>>(y.data, x, stats.data, p, t, unsigned(smaller.W));
  check_launch("group_norm write_y");
}

/// `forms`: from.parts' first is written; else it is complete.
template <class T, int width, bool with_silu, bool forms>
void forward(Queue& q, View<float> y, View<float> stats, const Source<T>& from, const Shape& shape,
             const GroupNormParameters& p) {
  const Tiling t(shape, y.b, width == 4);
  if (const WholeGroup whole(t, p.groups); whole.fits) {
    whole_forward<T, width, with_silu, forms>
        <<<whole.blocks, whole.threads, 0, q.stream()>>>(y.data, stats.data, from, p, t, unsigned(shape.W));
    return check_launch("group_norm whole_forward");
  }
  auto* partial = static_cast<double2*>(q.scratch(std::size_t(t.partials()) * sizeof(double2)));
  moments<T, width, forms><<<t.grid(), t.threads(), 0, q.stream()>>>(partial, from, p.x_bias, t);
  check_launch("group_norm moments");
  combine_moments<<<unsigned(t.N * p.groups), combine_threads, 0, q.stream()>>>(stats.data, partial, p, t);
  check_launch("group_norm combine_moments");
  again<T, width, with_silu>(q, y, stats, from.parts, shape, p);
}

template <class T, int width, bool with_silu>
void backward_whole(Queue& q, const Parts<float>& dx, View<const float> dy, const Parts<const T>& x, int W,
                    View<const float> stats, const GroupNormParameters& p, View<const float> plus,
                    View<const float> plus2, const WholeGroup& whole, const Tiling& t) {
  whole_backward<T, width, with_silu><<<whole.blocks, whole.threads, 0, q.stream()>>>(
      dx, dy.data, x, plus.data, plus2.data, Sampling::back(p.resample, W), stats.data, p, t);
  check_launch("group_norm whole_backward");
}

// dx is the same, to the bit, with gradients or without. Where a block has a group to itself the gradients'
// sums are a pass of their own: only training pays for it, and only on small maps.
template <class T, int width, bool with_silu>
void backward(Queue& q, const Parts<float>& dx, View<const float> dy, const Parts<const T>& x,
              const Shape& shape, View<const float> stats, const GroupNormParameters& p,
              View<const float> plus, const GroupNormGradients& gradients, View<const float> plus2) {
  const Tiling t(shape, dy.b, width == 4);
  const WholeGroup whole(t, p.groups);
  if (whole.fits && !gradients)
    return backward_whole<T, width, with_silu>(q, dx, dy, x, shape.W, stats, p, plus, plus2, whole, t);
  const std::size_t partial_bytes = std::size_t(t.partials()) * sizeof(double2);
  auto* partial = static_cast<double2*>(
      q.scratch(partial_bytes + std::size_t(t.N) * std::size_t(p.groups) * sizeof(float2)));
  auto* terms = reinterpret_cast<float2*>(partial + t.partials());
  const bool resamples = p.resample != Resample::none;
  const Sampling back = Sampling::back(p.resample, shape.W);
  const auto sum = resamples ? products<T, width, with_silu, true> : products<T, width, with_silu, false>;
  sum<<<t.grid(), t.threads(), 0, q.stream()>>>(partial, dy.data, x, back, stats.data, p, t);
  check_launch("group_norm products");
  if (gradients) {
    combine_gradients<<<unsigned(t.C), 32, 0, q.stream()>>>(gradients, partial, stats.data, p, t);
    check_launch("group_norm combine_gradients");
  }
  if (whole.fits)
    return backward_whole<T, width, with_silu>(q, dx, dy, x, shape.W, stats, p, plus, plus2, whole, t);
  combine_products<<<unsigned(t.N * p.groups), combine_threads, 0, q.stream()>>>(terms, partial, stats.data,
                                                                                 p, t);
  check_launch("group_norm combine_products");
  const auto write = resamples ? write_dx<T, width, with_silu, true> : write_dx<T, width, with_silu, false>;
  write<<<t.grid(), t.threads(), 0, q.stream()>>>(dx, dy.data, x, plus.data, plus2.data, back, stats.data,
                                                  terms, p, t);
  check_launch("group_norm write_dx");
}

/// A second tensor that is not there has the block of the first: nothing is to depend on it.
template <class T>
Parts<T> parts(View<T> first, View<T> second) {
  return {first.data, second.data, first.C(), first.b, second ? second.b : first.b};
}
template <class T>
Parts<const T> parts(const SplitMap& x) {
  return parts(x.first.as<T>(), x.second.as<T>());
}

/// Whether four channels can be moved at once.
template <class T>
bool packable(const Parts<T>& x) {
  return aligned(x.first, x.second) && x.channels % 4 == 0 && x.first_b % 4 == 0 && x.second_b % 4 == 0;
}

}  // namespace

void group_norm(Queue& q, View<float> y, View<float> stats, const SplitMap& x, const GroupNormParameters& p) {
  with_storage(x.first.storage, [&]<class T>(T) {
    Source<T> source;
    source.parts = parts<T>(x);
    const bool packed = y.b % 4 == 0 && packable(source.parts) && aligned(y.data);
    const auto run = packed ? (p.silu ? forward<T, 4, true, false> : forward<T, 4, false, false>)
                            : (p.silu ? forward<T, 1, true, false> : forward<T, 1, false, false>);
    run(q, y, stats, source, x.shape(), p);
  });
}

void group_norm_of(Queue& q, View<float> y, View<float> stats, const MutableMapView& x,
                   const GroupNormSource& from, const GroupNormParameters& p) {
  const SplitMap formed(x, from.second);
  with_storage(x.storage, [&]<class T>(T) {
    const Source<T> source{parts<T>(formed),
                           from.first.data,
                           from.bias,
                           from.plus.as<T>().data,
                           Sampling::of(from.resample, x.W()),
                           x.to<T>().data};
    const bool packed =
        y.b % 4 == 0 && packable(source.parts) && aligned(y.data, source.sum) && aligned(source.plus);
    const auto run = packed ? (p.silu ? forward<T, 4, true, true> : forward<T, 4, false, true>)
                            : (p.silu ? forward<T, 1, true, true> : forward<T, 1, false, true>);
    run(q, y, stats, source, formed.shape(), p);
  });
}

void group_norm_backward(Queue& q, View<float> dx, View<const float> dy, const SplitMap& x,
                         View<const float> stats, const GroupNormParameters& p, View<const float> plus,
                         const GroupNormGradients& gradients, View<const float> plus2,
                         View<float> dx_second) {
  const Parts<float> to = parts(dx, dx_second);
  with_storage(x.first.storage, [&]<class T>(T) {
    const Parts<const T> from = parts<T>(x);
    const bool packed =
        dy.b % 4 == 0 && packable(to) && packable(from) && aligned(dy.data, plus.data, plus2.data);
    const auto run = packed ? (p.silu ? backward<T, 4, true> : backward<T, 4, false>)
                            : (p.silu ? backward<T, 1, true> : backward<T, 1, false>);
    run(q, to, dy, from, x.shape(), stats, p, plus, gradients, plus2);
  });
}

void group_norm_again(Queue& q, View<float> y, View<const float> stats, const SplitMap& x,
                      const GroupNormParameters& p) {
  with_storage(x.first.storage, [&]<class T>(T) {
    const Parts<const T> from = parts<T>(x);
    const bool packed = y.b % 4 == 0 && packable(from) && aligned(y.data);
    const auto run = packed ? (p.silu ? again<T, 4, true> : again<T, 4, false>)
                            : (p.silu ? again<T, 1, true> : again<T, 1, false>);
    run(q, y, stats, from, x.shape(), p);
  });
}

}  // namespace tweedie::cuda
