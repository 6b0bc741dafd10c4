#include "kernels/group_norm.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/group_norm_tasks.hpp"
#include "kernels/vector_math.hpp"

namespace tweedie {

using namespace group_norm_cpu;

namespace {

/// h = (x - mean) scale + shift for each lane; in the backward pass also k0 and k1, see below.
struct Coefficients {
  float mean[lanes], scale[lanes], shift[lanes], k0[lanes], k1[lanes];
};

// gamma (1 + scale) of one channel: what multiplies the normalised value.
double weight(const GroupNormParameters& p, int n, int C, int c) {
  const double modulation = p.scale_shift ? 1.0 + p.scale_shift[std::int64_t(n) * 2 * C + c] : 1.0;
  return p.gamma[c] * modulation;
}

void fill_coefficients(Coefficients& k, const GroupNormParameters& p, const View<const float>& stats,
                       const Sums* terms, const Tasks& tasks, std::int64_t task, int column, int width) {
  const int n = tasks.sample(task), C = tasks.blocks * tasks.b;
  for (int j = 0; j < width; ++j) {
    const int c = tasks.first_channel(task) + (column + j) % tasks.b;
    const std::int64_t group = std::int64_t(n) * p.groups + c / (C / p.groups);
    k.mean[j] = stats.data[2 * group] - (p.x_bias ? p.x_bias[c] : 0.f);
    k.scale[j] = float(stats.data[2 * group + 1] * weight(p, n, C, c));
    double shift = p.beta[c];
    if (p.scale_shift) {
      const float* modulation = p.scale_shift + std::int64_t(n) * 2 * C;
      shift = shift * (1.0 + modulation[c]) + modulation[C + c];
    }
    k.shift[j] = float(shift);
    if (terms) {
      k.k0[j] = float(terms[group].first);
      k.k1[j] = float(terms[group].second);
    }
  }
}

// Calls body(row, lane) for all lanes of all rows of a tile. A full tile has a constant trip count, so that
// the compiler keeps what belongs to a lane in registers across the rows.
template <class Body>
[[gnu::always_inline]] inline void for_rows(std::int64_t begin, std::int64_t end, int width,
                                            const Body& body) {
  if (width == lanes) {
    for (std::int64_t row = begin; row < end; ++row) {
#pragma omp simd
      for (int j = 0; j < lanes; ++j) body(row, j);
    }
  } else {
    for (std::int64_t row = begin; row < end; ++row) {
#pragma omp simd
      for (int j = 0; j < width; ++j) body(row, j);
    }
  }
}

// ---- sums

struct LaneSums {
  double first[lanes] = {}, second[lanes] = {};
};

// Sums of x and x^2 of each lane. A run is summed in float about a pivot, the lane's mean so far, so that
// data far from 0 lose nothing: with d = sum(x - p) and q = sum((x - p)^2) over r rows,
// sum x = r p + d and sum x^2 = q + 2 p d + r p^2, these two in double.
void add_moments(LaneSums& sums, const float* x, std::int64_t rows, std::int64_t stride, int width) {
  for (std::int64_t begin = 0, end; begin < rows; begin = end) {
    end = std::min(rows, begin == 0 ? first_run_rows : begin + run_rows);
    float pivot[lanes], d[lanes] = {}, q[lanes] = {};
    for (int j = 0; j < width; ++j) pivot[j] = begin == 0 ? x[j] : float(sums.first[j] / double(begin));
    for_rows(begin, end, width, [&](std::int64_t row, int j) {
      const float difference = x[row * stride + j] - pivot[j];
      d[j] += difference;
      q[j] = multiply_add(difference, difference, q[j]);
    });
    const double r = double(end - begin);
    for (int j = 0; j < width; ++j) {
      const double p = pivot[j];
      sums.first[j] += r * p + d[j];
      sums.second[j] += q[j] + 2 * p * d[j] + r * p * p;
    }
  }
}

// dh = dy silu'(h), silu'(h) = s (1 + h (1 - s)) with s = sigmoid(h).
template <bool with_silu>
[[gnu::always_inline]] inline float before_silu(float dy, float difference, float scale, float shift) {
  if constexpr (!with_silu) return dy;
  const float h = multiply_add(difference, scale, shift), s = sigmoid(h);
  return dy * s * multiply_add(h, 1.0f - s, 1.0f);
}

// Sums of dh and dh (x - mean) of each lane.
template <bool with_silu>
void add_products(LaneSums& sums, const float* dy, const float* x, const Coefficients& k, std::int64_t rows,
                  std::int64_t stride, int width) {
  for (std::int64_t begin = 0; begin < rows; begin += run_rows) {
    const std::int64_t end = std::min(rows, begin + run_rows);
    float first[lanes] = {}, second[lanes] = {};
    for_rows(begin, end, width, [&](std::int64_t row, int j) {
      const float difference = x[row * stride + j] - k.mean[j];
      const float dh = before_silu<with_silu>(dy[row * stride + j], difference, k.scale[j], k.shift[j]);
      first[j] += dh;
      second[j] = multiply_add(dh, difference, second[j]);
    });
    for (int j = 0; j < width; ++j) {
      sums.first[j] += first[j];
      sums.second[j] += second[j];
    }
  }
}

// Runs `add(LaneSums&, offset, rows, task, column, width)` over every tile and leaves each task's sums per
// channel in `partial` (count, b).
template <class Add>
void sum_tasks(Sums* partial, const Tasks& tasks, bool threads, const Add& add) {
#pragma omp parallel for schedule(static) if (threads)
  for (std::int64_t task = 0; task < tasks.count; ++task) {
    Sums* channels = partial + task * tasks.b;
    std::fill_n(channels, tasks.b, Sums{});
    tasks.for_tiles(task, [&](std::int64_t offset, std::int64_t rows, int column, int width) {
      LaneSums sums;
      add(sums, offset, rows, task, column, width);
      for (int j = 0; j < width; ++j) {
        channels[(column + j) % tasks.b].first += sums.first[j];
        channels[(column + j) % tasks.b].second += sums.second[j];
      }
    });
  }
}

// The sums of one group, its channels weighted by weight_of(c). `bias`: of each channel, what all values
// whose moments these are lack; or null.
template <class Weight>
Sums sum_group(const Sums* partial, const Tasks& tasks, int n, int group, int group_channels,
               const Weight& weight_of, const float* bias = nullptr) {
  Sums total;
  for (int c = group * group_channels; c < (group + 1) * group_channels; ++c) {
    const std::int64_t first_task = (std::int64_t(n) * tasks.blocks + c / tasks.b) * tasks.chunks;
    Sums channel;
    for (int chunk = 0; chunk < tasks.chunks; ++chunk) {
      const Sums& part = partial[(first_task + chunk) * tasks.b + c % tasks.b];
      channel.first += part.first;
      channel.second += part.second;
    }
    if (bias) {
      const double more = bias[c], all = more * double(tasks.plane);
      channel.second += more * (2 * channel.first + all);
      channel.first += all;
    }
    const double w = weight_of(c);
    total.first += w * channel.first;
    total.second += w * channel.second;
  }
  return total;
}

// ---- passes that write

template <bool with_silu>
void write_y(float* y, const float* x, const Coefficients& k, std::int64_t rows, std::int64_t stride,
             int width) {
  for_rows(0, rows, width, [&](std::int64_t row, int j) {
    const std::int64_t i = row * stride + j;
    const float h = multiply_add(x[i] - k.mean[j], k.scale[j], k.shift[j]);
    y[i] = with_silu ? h * sigmoid(h) : h;
  });
}

template <bool with_silu, int pluses>
void write_dx(float* dx, const float* dy, const float* x, const float* plus, const float* plus2,
              const Coefficients& k, std::int64_t rows, std::int64_t stride, int width) {
  for_rows(0, rows, width, [&](std::int64_t row, int j) {
    const std::int64_t i = row * stride + j;
    const float difference = x[i] - k.mean[j];
    const float dh = before_silu<with_silu>(dy[i], difference, k.scale[j], k.shift[j]);
    float rest = pluses > 0 ? k.k0[j] + plus[i] : k.k0[j];
    if (pluses > 1) rest += plus2[i];
    rest = multiply_add(difference, k.k1[j], rest);
    dx[i] = multiply_add(dh, k.scale[j], rest);
  });
}

// Runs `write(coefficients, offset, rows, width)` over every tile.
template <class Write>
void write_tasks(const Tasks& tasks, bool threads, const GroupNormParameters& p,
                 const View<const float>& stats, const Sums* terms, const Write& write) {
#pragma omp parallel for schedule(static) if (threads)
  for (std::int64_t task = 0; task < tasks.count; ++task) {
    tasks.for_tiles(task, [&](std::int64_t offset, std::int64_t rows, int column, int width) {
      Coefficients k;
      fill_coefficients(k, p, stats, terms, tasks, task, column, width);
      write(k, offset, rows, width);
    });
  }
}

// ---- the two directions

template <bool with_silu>
void again_cpu(View<float> y, View<const float> stats, View<const float> x, const GroupNormParameters& p) {
  const Tasks tasks(x);
  write_tasks(tasks, x.size() >= parallel_floats, p, stats, nullptr,
              [&](const Coefficients& k, std::int64_t offset, std::int64_t rows, int width) {
                write_y<with_silu>(y.data + offset, x.data + offset, k, rows, tasks.columns, width);
              });
}

template <bool with_silu>
void forward_cpu(Queue& q, View<float> y, View<float> stats, View<const float> x,
                 const GroupNormParameters& p) {
  const Tasks tasks(x);
  const bool threads = x.size() >= parallel_floats;
  const int group_channels = x.C() / p.groups;
  Sums* partial = static_cast<Sums*>(q.scratch(std::size_t(tasks.count) * tasks.b * sizeof(Sums)));
  sum_tasks(partial, tasks, threads,
            [&](LaneSums& sums, std::int64_t offset, std::int64_t rows, std::int64_t, int, int width) {
              add_moments(sums, x.data + offset, rows, tasks.columns, width);
            });
  const double count = double(group_channels) * double(tasks.plane);
  for (int n = 0; n < x.N(); ++n)
    for (int group = 0; group < p.groups; ++group) {
      const Sums sums = sum_group(
          partial, tasks, n, group, group_channels, [](int) { return 1.0; }, p.x_bias);
      const double mean = sums.first / count;
      const double variance = std::max(0.0, sums.second / count - mean * mean);
      float* stat = stats.data + 2 * (std::int64_t(n) * p.groups + group);
      stat[0] = float(mean);
      stat[1] = float(1.0 / std::sqrt(variance + double(p.eps)));
    }
  again_cpu<with_silu>(y, stats, x, p);
}

// With S1 = sum dh and S2 = sum dh u over the pixels of one sample's channel, v = rstd S2:
//   dgamma += (1 + scale) v,  dbeta += (1 + scale) S1,  dscale = gamma v + beta S1,  dshift = S1 .
void add_gradients(const GroupNormGradients& to, const Sums* partial, const Tasks& tasks, int N,
                   const View<const float>& stats, const GroupNormParameters& p) {
  const int C = tasks.blocks * tasks.b, group_channels = C / p.groups;
  for (int c = 0; c < C; ++c) {
    double dgamma = 0, dbeta = 0;
    for (int n = 0; n < N; ++n) {
      const Sums sums = sum_group(partial, tasks, n, c, 1, [](int) { return 1.0; });
      const double rstd = stats.data[2 * (std::int64_t(n) * p.groups + c / group_channels) + 1];
      const double scale = p.scale_shift ? 1.0 + p.scale_shift[std::int64_t(n) * 2 * C + c] : 1.0;
      dgamma += scale * rstd * sums.second;
      dbeta += scale * sums.first;
      if (!to.scale_shift) continue;
      float* const modulation = to.scale_shift + std::int64_t(n) * 2 * C;
      modulation[c] = float(p.gamma[c] * rstd * sums.second + p.beta[c] * sums.first);
      modulation[C + c] = float(sums.first);
    }
    if (!to.gamma) continue;
    to.gamma[c] += float(dgamma);
    to.beta[c] += float(dbeta);
  }
}

// With u = x - mean, w = gamma (1 + scale), M elements in a group and sums over the group:
//   dx = rstd w dh + k0 + k1 u ,  k0 = -rstd sum(w dh) / M ,  k1 = -rstd^3 sum(w dh u) / M .
template <bool with_silu>
void backward_cpu(Queue& q, View<float> dx, View<const float> dy, View<const float> x,
                  View<const float> stats, const GroupNormParameters& p, View<const float> plus,
                  const GroupNormGradients& gradients, View<const float> plus2) {
  const Tasks tasks(x);
  const bool threads = x.size() >= parallel_floats;
  const int group_channels = x.C() / p.groups;
  const std::int64_t partials = tasks.count * tasks.b, groups = std::int64_t(x.N()) * p.groups;
  Sums* partial = static_cast<Sums*>(q.scratch(std::size_t(partials + groups) * sizeof(Sums)));
  Sums* terms = partial + partials;
  sum_tasks(
      partial, tasks, threads,
      [&](LaneSums& sums, std::int64_t offset, std::int64_t rows, std::int64_t task, int column, int width) {
        Coefficients k;
        fill_coefficients(k, p, stats, nullptr, tasks, task, column, width);
        add_products<with_silu>(sums, dy.data + offset, x.data + offset, k, rows, tasks.columns, width);
      });
  const double count = double(group_channels) * double(tasks.plane);
  for (int n = 0; n < x.N(); ++n)
    for (int group = 0; group < p.groups; ++group) {
      const Sums sums =
          sum_group(partial, tasks, n, group, group_channels, [&](int c) { return weight(p, n, x.C(), c); });
      const std::int64_t i = std::int64_t(n) * p.groups + group;
      const double rstd = stats.data[2 * i + 1];
      terms[i] = {-rstd * sums.first / count, -rstd * rstd * rstd * sums.second / count};
    }
  if (gradients) add_gradients(gradients, partial, tasks, x.N(), stats, p);
  write_tasks(tasks, threads, p, stats, terms,
              [&](const Coefficients& k, std::int64_t offset, std::int64_t rows, int width) {
                float* to = dx.data + offset;
                const float *from = dy.data + offset, *at = x.data + offset;
                if (plus2)
                  write_dx<with_silu, 2>(to, from, at, plus.data + offset, plus2.data + offset, k, rows,
                                         tasks.columns, width);
                else if (plus)
                  write_dx<with_silu, 1>(to, from, at, plus.data + offset, nullptr, k, rows, tasks.columns,
                                         width);
                else
                  write_dx<with_silu, 0>(to, from, at, nullptr, nullptr, k, rows, tasks.columns, width);
              });
}

void check(const View<const float>& x, const View<const float>& stats, const GroupNormParameters& p) {
  require(x.b > 0 && x.C() % x.b == 0, "group_norm: block ", x.b, " does not divide the ", x.C(),
          " channels");
  require(p.groups > 0 && x.C() % p.groups == 0, "group_norm: ", p.groups, " groups do not divide the ",
          x.C(), " channels");
  const Shape expected{x.N(), p.groups, 1, 2};
  require(stats.shape == expected && stats.b == 1, "group_norm: stats are ", stats.shape, " b=", stats.b,
          ", expected ", expected, " b=1");
}

}  // namespace

void group_norm(Queue& q, View<float> y, View<float> stats, View<const float> x,
                const GroupNormParameters& p) {
  require_alike("group_norm", y, x);
  check(x, stats, p);
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::group_norm(q, y, stats, x, p);
  if (p.silu)
    forward_cpu<true>(q, y, stats, x, p);
  else
    forward_cpu<false>(q, y, stats, x, p);
}

void group_norm_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> x,
                         View<const float> stats, const GroupNormParameters& p, View<const float> plus,
                         const GroupNormGradients& gradients, View<const float> plus2) {
  require_alike("group_norm_backward", dx, x);
  require_alike("group_norm_backward", dy, x);
  if (plus) require_alike("group_norm_backward", plus, x);
  if (plus2) require_alike("group_norm_backward", plus2, x);
  require(plus || !plus2, "group_norm_backward: a second map to add without a first");
  check(x, stats, p);
  require((gradients.gamma != nullptr) == (gradients.beta != nullptr),
          "group_norm_backward: the gradients of gamma and beta go together");
  require(!gradients.scale_shift || p.scale_shift,
          "group_norm_backward: no gradient of a modulation that is not there");
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::group_norm_backward(q, dx, dy, x, stats, p, plus, gradients, plus2);
  if (p.silu)
    backward_cpu<true>(q, dx, dy, x, stats, p, plus, gradients, plus2);
  else
    backward_cpu<false>(q, dx, dy, x, stats, p, plus, gradients, plus2);
}

void group_norm_again(Queue& q, View<float> y, View<const float> stats, View<const float> x,
                      const GroupNormParameters& p) {
  require_alike("group_norm_again", y, x);
  check(x, stats, p);
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::group_norm_again(q, y, stats, x, p);
  if (p.silu)
    again_cpu<true>(y, stats, x, p);
  else
    again_cpu<false>(y, stats, x, p);
}

}  // namespace tweedie
