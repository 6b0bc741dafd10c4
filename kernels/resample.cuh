// Maps read at another resolution, for kernels that take in passing what resample.cu would write.
#pragma once

#include <cstdint>

#include "kernels/pack.cuh"
#include "kernels/resample.hpp"

namespace tweedie::cuda {

/// How to read a map at the pixels of one W wide: it has the same sides, half of them (each pixel stands for
/// four) or twice (four pixels are summed), and what is read is multiplied by `factor`.
struct Sampling {
  enum class Source { same, half, twice };
  Source source = Source::same;
  unsigned W = 0;
  float factor = 1;

  /// x at the pixels of y, W wide, which is x resampled.
  static Sampling of(Resample how, int W) {
    if (how == Resample::up) return {Source::half, unsigned(W), 1.0f};
    if (how == Resample::down) return {Source::twice, unsigned(W), 0.25f};
    return {};
  }
  /// dy at the pixels of x, W wide: the vjp.
  static Sampling back(Resample how, int W) {
    if (how == Resample::up) return {Source::twice, unsigned(W), 1.0f};
    if (how == Resample::down) return {Source::half, unsigned(W), 0.25f};
    return {};
  }
  /// Pixels of the map that is read, for one of `plane` pixels.
  __host__ __device__ std::int64_t source_plane(std::int64_t plane) const {
    return source == Source::same ? plane : source == Source::half ? plane / 4 : plane * 4;
  }
};

/// The first of the four pixels that belong to one of a map W wide, in a map of twice its sides.
__device__ inline std::int64_t first_of_four(std::int64_t pixel, unsigned W) {
  return 2 * (pixel + std::int64_t(unsigned(pixel) / W) * W);
}

/// `from` at a pixel; its pixels are `step` elements apart.
template <class T, int width>
__device__ Pack<float, width> sample(const T* from, int step, std::int64_t pixel, const Sampling& s) {
  if (s.source == Sampling::Source::same) return as_floats(load<T, width>(from + pixel * step));
  Pack<float, width> value;
  if (s.source == Sampling::Source::half) {
    const unsigned row = unsigned(pixel) / s.W, column = unsigned(pixel) - row * s.W;
    value = as_floats(load<T, width>(from + (std::int64_t(row / 2) * (s.W / 2) + column / 2) * step));
#pragma unroll
    for (int k = 0; k < width; ++k) value.v[k] = s.factor * value.v[k];
    return value;
  }
  const T* above = from + first_of_four(pixel, s.W) * step;
  const T* below = above + 2 * std::int64_t(s.W) * step;
  const Pack<T, width> a = load<T, width>(above), b = load<T, width>(above + step);
  const Pack<T, width> c = load<T, width>(below), d = load<T, width>(below + step);
#pragma unroll
  for (int k = 0; k < width; ++k)
    value.v[k] = s.factor * ((float(a.v[k]) + float(b.v[k])) + (float(c.v[k]) + float(d.v[k])));
  return value;
}

}  // namespace tweedie::cuda
