// An x made of its parts on the CPU, a task at a time. Included by group_norm.cpp alone.
#pragma once

#include <algorithm>

#include "kernels/group_norm.hpp"
#include "kernels/group_norm_tasks.hpp"

namespace tweedie::group_norm_cpu {

// `count` neighbouring pixels of an image row: to = from + bias + plus, `plus_at(w, k)` being what is added
// to channel k of pixel w.
template <int fixed_b, class T, class Plus>
[[gnu::always_inline]] inline void add_run(T* to, const float* from, const float* bias, int count, int b,
                                           const Plus& plus_at) {
  if (fixed_b > 0) b = fixed_b;
  for (int w = 0; w < count; ++w)
#pragma omp simd
    for (int k = 0; k < b; ++k) {
      const std::int64_t i = std::int64_t(w) * b + k;
      to[i] = stored<T>(from[i] + (bias ? bias[k] : 0.f) + plus_at(w, k));
    }
}

// Calls add(w, count, h, offset) for the runs of an image row that pixels [begin, end) consist of.
template <class Add>
void for_runs(std::int64_t begin, std::int64_t end, int W, const Add& add) {
  for (std::int64_t pixel = begin; pixel < end;) {
    const int h = int(pixel / W), w = int(pixel % W);
    const int count = int(std::min<std::int64_t>(W - w, end - pixel));
    add(h, w, count, pixel - begin);
    pixel += count;
  }
}

template <int fixed_b, class T>
void form_first(T* to, const float* base, const GroupNormSource& from, int n, int c, std::int64_t begin,
                std::int64_t end) {
  const View<const float>& first = from.first;
  const View<const T> plus = from.plus.as<T>();
  const int b = first.b;
  const float* const bias = from.bias ? from.bias + c : nullptr;
  for_runs(begin, end, first.W(), [&](int h, int w, int count, std::int64_t pixel) {
    T* const out = to + pixel * b;
    const float* const in = base + pixel * b;
    if (!plus) return add_run<fixed_b>(out, in, bias, count, b, [](int, int) { return 0.f; });
    if (from.resample == Resample::none) {
      const T* const more = plus.data + plus.offset(n, c, h, w);
      return add_run<fixed_b>(out, in, bias, count, b, [=](int i, int k) { return float(more[i * b + k]); });
    }
    if (from.resample == Resample::up) {
      const T* const row = plus.data + plus.offset(n, c, h / 2, 0);
      return add_run<fixed_b>(out, in, bias, count, b,
                              [=](int i, int k) { return float(row[(w + i) / 2 * b + k]); });
    }
    const T* const above = plus.data + plus.offset(n, c, 2 * h, 2 * w);
    const T* const below = above + std::int64_t(plus.W()) * b;
    add_run<fixed_b>(out, in, bias, count, b, [=](int i, int k) {
      const int left = 2 * i * b + k, right = left + b;
      return 0.25f *
             ((float(above[left]) + float(above[right])) + (float(below[left]) + float(below[right])));
    });
  });
}

// What a task works on of an x whose first channels are written to `x`.
template <class T>
void form(const View<T>& x, const GroupNormSource& from, const Tasks& tasks, std::int64_t task) {
  const int n = tasks.sample(task), c = tasks.first_channel(task), b = tasks.b;
  if (c >= from.first.C()) return;
  const std::int64_t begin = task % tasks.chunks * tasks.chunk_pixels, end = begin + tasks.floats(task) / b;
  const std::int64_t offset = x.offset(n, c, 0, 0) + begin * b;
  T* const to = x.data + offset;
  const float* const base = from.first.data + offset;
  if (static_cast<const void*>(to) == base && !(from.bias || from.plus)) return;
  if (b == 16)
    form_first<16>(to, base, from, n, c, begin, end);
  else
    form_first<0>(to, base, from, n, c, begin, end);
}

}  // namespace tweedie::group_norm_cpu
