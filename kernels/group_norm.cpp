#include "kernels/group_norm.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>

#include "kernels/group_norm_check.hpp"
#include "kernels/group_norm_form.hpp"
#include "kernels/group_norm_loops.hpp"
#include "kernels/group_norm_tasks.hpp"
#include "kernels/resample_rows.hpp"

namespace tweedie {

using namespace group_norm_cpu;

namespace {

// The same of what a norm reads.
template <class T>
const T* in_part(const SplitMap& x, const Tasks& tasks, std::int64_t offset) {
  return in_part(x.first.as<T>(), x.second.as<T>(), tasks, offset);
}

// gamma (1 + scale) of one channel: what multiplies the normalised value.
double weight(const GroupNormParameters& p, int n, int C, int c) {
  const double modulation = p.scale_shift ? 1.0 + p.scale_shift[std::int64_t(n) * 2 * C + c] : 1.0;
  return p.gamma[c] * modulation;
}

void fill_coefficients(Coefficients& k, const GroupNormParameters& p, const View<const float>& stats,
                       const Sums* terms, const Tasks& tasks, int n, int first_channel, int column,
                       int width) {
  const int C = tasks.blocks * tasks.b;
  for (int j = 0; j < width; ++j) {
    const int c = first_channel + (column + j) % tasks.b;
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

// Runs `before(task)`, then `add(LaneSums&, offset, rows, task, column, width)` over every tile, and leaves
// each task's sums per channel in `partial` (count, b).
template <class Add, class Before>
void sum_tasks(Sums* partial, const Tasks& tasks, bool threads, const Add& add, const Before& before) {
#pragma omp parallel for schedule(static) if (threads)
  for (std::int64_t task = 0; task < tasks.count; ++task) {
    before(task);
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

// Runs `write(coefficients, offset, rows, width)` over every tile.
template <class Write>
void write_tasks(const Tasks& tasks, bool threads, const GroupNormParameters& p,
                 const View<const float>& stats, const Sums* terms, const Write& write) {
#pragma omp parallel for schedule(static) if (threads)
  for (std::int64_t task = 0; task < tasks.count; ++task) {
    tasks.for_tiles(task, [&](std::int64_t offset, std::int64_t rows, int column, int width) {
      Coefficients k;
      fill_coefficients(k, p, stats, terms, tasks, tasks.sample(task), tasks.first_channel(task), column,
                        width);
      write(k, offset, rows, width);
    });
  }
}

// ---- the two directions

// Bands of x's rows are normalised into memory of a thread's own, and go up or down from there while they are
// in its cache.
template <bool with_silu, class T, class Y>
void again_resampled_cpu(Queue& q, View<Y> y, View<const float> stats, const View<const T>& x,
                         const GroupNormParameters& p) {
  const Tasks tasks(x.shape, x.b);
  const std::int64_t row = std::int64_t(x.W()) * x.b;
  const std::int64_t band =
      std::max<std::int64_t>(2, band_floats / row / 2 * 2);  // rows: they go down in pairs
  const std::int64_t bands = (x.H() + band - 1) / band;
  float* const all = static_cast<float*>(
      q.scratch(std::size_t(omp_get_max_threads()) * std::size_t(band * row) * sizeof(float)));
#pragma omp parallel for schedule(static) if (x.size() >= parallel_floats)
  for (std::int64_t task = 0; task < std::int64_t(x.N()) * tasks.blocks * bands; ++task) {
    float* const normed = all + omp_get_thread_num() * band * row;
    const std::int64_t block = task / bands, first = task % bands * band;
    const std::int64_t count = std::min(band, x.H() - first), begin = (block * x.H() + first) * row;
    tasks.for_tiles_of(
        begin, count * row, [&](std::int64_t offset, std::int64_t rows, int column, int width) {
          Coefficients k;
          fill_coefficients(k, p, stats, nullptr, tasks, int(block / tasks.blocks),
                            int(block % tasks.blocks) * tasks.b, column, width);
          write_y<with_silu>(normed + (offset - begin), x.data + offset, k, rows, tasks.columns, width);
        });
    if (p.resample == Resample::up)
      for (std::int64_t i = 0; i < count; ++i)
        resample_cpu::spread_row<false>(y.data + 4 * (begin + i * row), normed + i * row, 1.f, x.W(), x.b);
    else
      for (std::int64_t i = 0; i < count; i += 2)
        resample_cpu::gather_row<false>(y.data + (begin + i * row) / 4, normed + i * row, 0.25f, y.W(), x.b);
  }
}

template <bool with_silu, class T, class Y>
void again_cpu(Queue& q, View<Y> y, View<const float> stats, const SplitMap& x,
               const GroupNormParameters& p) {
  if (p.resample != Resample::none) return again_resampled_cpu<with_silu>(q, y, stats, x.first.as<T>(), p);
  const Tasks tasks(y.shape, y.b);
  write_tasks(tasks, y.size() >= parallel_floats, p, stats, nullptr,
              [&](const Coefficients& k, std::int64_t offset, std::int64_t rows, int width) {
                write_y<with_silu>(y.data + offset, in_part<T>(x, tasks, offset), k, rows, tasks.columns,
                                   width);
              });
}

// `from` null: x is complete; else its first channels are made of that, in `formed`.
template <bool with_silu, class T, class Y>
void forward_cpu(Queue& q, View<Y> y, View<float> stats, const SplitMap& x, const View<T>& formed,
                 const GroupNormSource* from, const GroupNormParameters& p) {
  const Shape shape = x.shape();
  const Tasks tasks(shape, y.b);
  const bool threads = shape.size() >= parallel_floats;
  const int group_channels = shape.C / p.groups;
  Sums* partial = static_cast<Sums*>(q.scratch(std::size_t(tasks.count) * tasks.b * sizeof(Sums)));
  sum_tasks(
      partial, tasks, threads,
      [&](LaneSums& sums, std::int64_t offset, std::int64_t rows, std::int64_t, int, int width) {
        add_moments(sums, in_part<T>(x, tasks, offset), rows, tasks.columns, width);
      },
      [&](std::int64_t task) {
        if (from) form(formed, *from, tasks, task);
      });
  const double count = double(group_channels) * double(tasks.plane);
  for (int n = 0; n < shape.N; ++n)
    for (int group = 0; group < p.groups; ++group) {
      const Sums sums = sum_group(
          partial, tasks, n, group, group_channels, [](int) { return 1.0; }, p.x_bias);
      const double mean = sums.first / count;
      const double variance = std::max(0.0, sums.second / count - mean * mean);
      float* stat = stats.data + 2 * (std::int64_t(n) * p.groups + group);
      stat[0] = float(mean);
      stat[1] = float(1.0 / std::sqrt(variance + double(p.eps)));
    }
  again_cpu<with_silu, T, Y>(q, y, stats, x, p);
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
template <bool with_silu, class T, class D>
void backward_cpu(Queue& q, View<D> dx, const SplitMap& dy, const SplitMap& x, View<const float> stats,
                  const GroupNormParameters& p, View<const float> plus, const GroupNormGradients& gradients,
                  View<const float> plus2, View<float> dx_second) {
  const Shape shape = x.shape();
  const Tasks tasks(shape, dy.first.b);
  const bool threads = shape.size() >= parallel_floats;
  const int group_channels = shape.C / p.groups;
  const std::int64_t partials = tasks.count * tasks.b, groups = std::int64_t(shape.N) * p.groups;
  Sums* partial = static_cast<Sums*>(q.scratch(std::size_t(partials + groups) * sizeof(Sums)));
  Sums* terms = partial + partials;
  sum_tasks(
      partial, tasks, threads,
      [&](LaneSums& sums, std::int64_t offset, std::int64_t rows, std::int64_t task, int column, int width) {
        Coefficients k;
        fill_coefficients(k, p, stats, nullptr, tasks, tasks.sample(task), tasks.first_channel(task), column,
                          width);
        add_products<with_silu>(sums, in_part<float>(dy, tasks, offset), in_part<T>(x, tasks, offset), k,
                                rows, tasks.columns, width);
      },
      [](std::int64_t) {});
  const double count = double(group_channels) * double(tasks.plane);
  for (int n = 0; n < shape.N; ++n)
    for (int group = 0; group < p.groups; ++group) {
      const Sums sums = sum_group(partial, tasks, n, group, group_channels,
                                  [&](int c) { return weight(p, n, shape.C, c); });
      const std::int64_t i = std::int64_t(n) * p.groups + group;
      const double rstd = stats.data[2 * i + 1];
      terms[i] = {-rstd * sums.first / count, -rstd * rstd * rstd * sums.second / count};
    }
  if (gradients) add_gradients(gradients, partial, tasks, shape.N, stats, p);
  write_tasks(tasks, threads, p, stats, terms,
              [&](const Coefficients& k, std::int64_t offset, std::int64_t rows, int width) {
                D* to = dx.data + offset;
                if constexpr (std::is_same_v<D, float>) to = in_part(dx, dx_second, tasks, offset);
                const float* from = in_part<float>(dy, tasks, offset);
                const T* at = in_part<T>(x, tasks, offset);
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

// Where a norm resamples: dy goes back into dx, which the norm's own way back then overwrites.
template <bool with_silu, class T>
void backward_resampled_cpu(Queue& q, View<float> dx, View<const float> dy, const SplitMap& x,
                            View<const float> stats, const GroupNormParameters& p, View<const float> plus,
                            const GroupNormGradients& gradients, View<const float> plus2, View<float>) {
  const bool up = p.resample == Resample::up;
  if (up)
    resample_cpu::gather_all<false>(dx, dy, 1.f);
  else
    resample_cpu::spread_all<false>(dx, dy, 0.25f);
  backward_cpu<with_silu, T, float>(q, dx, dx, x, stats, p, plus2, gradients, {}, {});
  if (!plus) return;
  if (up)
    resample_cpu::gather_all<true>(dx, plus, 1.f);
  else
    resample_cpu::spread_all<true>(dx, plus, 0.25f);
}

// f(T(), Y()) of how x and what is made of it are stored.
template <class F>
void with_storages(Storage x, Storage y, F&& f) {
  if (y == Storage::bf16) return f(bf16(), bf16());
  with_storage(x, [&]<class T>(T) { f(T(), float()); });
}

}  // namespace

void group_norm(Queue& q, const MutableMapView& y, View<float> stats, const SplitMap& x,
                const GroupNormParameters& p) {
  check_map("group_norm", q, x, y, p);
  check(x.shape(), y.b, stats, p);
  if (x.shape().size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::group_norm(q, y.to<float>(), stats, x, p);
  with_storages(x.first.storage, y.storage, [&]<class T, class Y>(T, Y) {
    const auto run = p.silu ? forward_cpu<true, T, Y> : forward_cpu<false, T, Y>;
    run(q, y.to<Y>(), stats, x, {}, nullptr, p);
  });
}

void group_norm_of(Queue& q, const MutableMapView& y, View<float> stats, const MutableMapView& x,
                   const GroupNormSource& from, const GroupNormParameters& p) {
  const SplitMap formed(x, from.second);
  require_alike("group_norm_of", View<const float>(nullptr, x.shape, x.b), from.first);
  require(!from.plus || from.plus.storage == x.storage, "group_norm_of: a sum that is stored differently");
  check_map("group_norm_of", q, formed, y, p);
  check(formed.shape(), y.b, stats, p);
  const Shape plus{x.N(), from.first.C(), from.plus.H(), from.plus.W()};
  if (from.plus)
    require(from.plus.shape == plus && resampled(from.resample, plus) == from.first.shape &&
                from.plus.b == from.first.b,
            "group_norm_of: ", from.plus.shape, " b=", from.plus.b, " cannot be added to ", from.first.shape,
            " b=", from.first.b);
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::group_norm_of(q, y.to<float>(), stats, x, from, p);
  with_storages(x.storage, y.storage, [&]<class T, class Y>(T, Y) {
    const auto run = p.silu ? forward_cpu<true, T, Y> : forward_cpu<false, T, Y>;
    run(q, y.to<Y>(), stats, formed, x.to<T>(), &from, p);
  });
}

void group_norm_backward(Queue& q, const MutableMapView& dx, const SplitMap& dy, const SplitMap& x,
                         View<const float> stats, const GroupNormParameters& p, View<const float> plus,
                         const GroupNormGradients& gradients, View<const float> plus2,
                         View<float> dx_second) {
  const Shape shape = x.shape();
  // Of a dy in parts the two blocks are those of the whole: that is so on the CPU.
  const View<const float> whole(nullptr, resampled(p.resample, shape), dy.first.b),
      like_x(nullptr, shape, whole.b);
  require(dy.first.storage == Storage::fp32 && (!dy.second || (dx_second && !q.on_cuda())),
          "group_norm_backward: a dy in two parts is for a gradient in two, on the CPU");
  if (dy.second)
    check_parts("group_norm_backward", q, shape, whole.b, dy.first, dy.second);
  else
    require_alike("group_norm_backward", geometry(dy.first), whole);
  check_map("group_norm_backward", q, x, whole, p);
  require(!dx_second || p.resample == Resample::none,
          "group_norm_backward: a gradient in two parts, of a norm that resamples");
  if (dx_second)
    check_parts("group_norm_backward", q, shape, whole.b, dx, dx_second);
  else
    require_alike("group_norm_backward", geometry(dx), like_x);
  require(
      dx.storage == Storage::fp32 ||
          (!q.on_cuda() && x.first.storage == Storage::bf16 && !dx_second && p.resample == Resample::none),
      "group_norm_backward: a gradient is stored as bf16 only on the CPU, in one part, by such a map, and "
      "by a norm that does not resample");
  if (plus) require_alike("group_norm_backward", plus, whole);
  if (plus2) require_alike("group_norm_backward", plus2, like_x);
  require(plus || !plus2, "group_norm_backward: a second map to add without a first");
  check(shape, whole.b, stats, p);
  require((gradients.gamma != nullptr) == (gradients.beta != nullptr),
          "group_norm_backward: the gradients of gamma and beta go together");
  require(!gradients.scale_shift || p.scale_shift,
          "group_norm_backward: no gradient of a modulation that is not there");
  if (shape.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda())
      return cuda::group_norm_backward(q, dx.to<float>(), dy.first.as<float>(), x, stats, p, plus, gradients,
                                       plus2, dx_second);
  if (p.resample != Resample::none)
    return with_storage(x.first.storage, [&]<class T>(T) {
      const auto run = p.silu ? backward_resampled_cpu<true, T> : backward_resampled_cpu<false, T>;
      run(q, dx.to<float>(), dy.first.as<float>(), x, stats, p, plus, gradients, plus2, dx_second);
    });
  with_storages(x.first.storage, dx.storage, [&]<class T, class D>(T, D) {
    const auto run = p.silu ? backward_cpu<true, T, D> : backward_cpu<false, T, D>;
    run(q, dx.to<D>(), dy, x, stats, p, plus, gradients, plus2, dx_second);
  });
}

void group_norm_again(Queue& q, const MutableMapView& y, View<const float> stats, const SplitMap& x,
                      const GroupNormParameters& p) {
  check_map("group_norm_again", q, x, y, p);
  check(x.shape(), y.b, stats, p);
  if (x.shape().size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::group_norm_again(q, y.to<float>(), stats, x, p);
  with_storages(x.first.storage, y.storage, [&]<class T, class Y>(T, Y) {
    const auto run = p.silu ? again_cpu<true, T, Y> : again_cpu<false, T, Y>;
    run(q, y.to<Y>(), stats, x, p);
  });
}

}  // namespace tweedie
