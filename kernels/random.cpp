#include "kernels/random.hpp"

#include <algorithm>

#include "kernels/philox.hpp"

namespace tweedie {
namespace {

constexpr std::int64_t chunk_counters = 128;
constexpr std::int64_t chunk_values = 4 * chunk_counters;

struct Normals {
  [[gnu::always_inline]] static void draw(float* values, philox::Block bits) {
    const philox::Pair a = philox::normals(bits.lane[0], bits.lane[1]);
    const philox::Pair b = philox::normals(bits.lane[2], bits.lane[3]);
    values[0] = a.first;
    values[1] = a.second;
    values[2] = b.first;
    values[3] = b.second;
  }
};

struct Uniforms {
  [[gnu::always_inline]] static void draw(float* values, philox::Block bits) {
    values[0] = philox::unit(bits.lane[0]);
    values[1] = philox::unit(bits.lane[1]);
    values[2] = philox::unit(bits.lane[2]);
    values[3] = philox::unit(bits.lane[3]);
  }
};

template <class Distribution>
void draw_chunk(float* values, std::uint64_t first_counter, std::uint64_t seed) {
#pragma omp simd
  for (std::int64_t k = 0; k < chunk_counters; ++k)
    Distribution::draw(values + 4 * k, philox::block(first_counter + std::uint64_t(k), 0, seed));
}

/// Writes values of planar elements [first, first + count) to where y's layout has them.
void scatter(View<float> y, const float* values, std::int64_t first, std::int64_t count) {
  if (y.b == 1) {
    std::copy_n(values, count, y.data + first);
    return;
  }
  const std::int64_t plane = y.shape.plane(), b = y.b;
  // Channel c of sample n is row n C + c of the planar order; blocks never cross samples, since b divides C.
  std::int64_t row = first / plane, pixel = first % plane;
  for (std::int64_t k = 0; k < count; ++k) {
    y.data[(row / b * plane + pixel) * b + row % b] = values[k];
    if (++pixel == plane) {
      pixel = 0;
      ++row;
    }
  }
}

template <class Distribution>
void draw(View<float> y, std::uint64_t seed, std::uint64_t offset) {
  const std::int64_t size = y.size(), chunks = (size + chunk_values - 1) / chunk_values;
#pragma omp parallel for schedule(static) if (chunks > 8)
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    alignas(64) float values[chunk_values];
    draw_chunk<Distribution>(values, offset + std::uint64_t(chunk * chunk_counters), seed);
    const std::int64_t first = chunk * chunk_values;
    scatter(y, values, first, std::min(chunk_values, size - first));
  }
}

void require_layout(const char* op, View<float> y) {
  require(y.b >= 1 && y.C() % y.b == 0, op, ": blocks of ", y.b, " do not divide ", y.C(), " channels");
}

}  // namespace

void normal(Queue& q, View<float> y, std::uint64_t seed, std::uint64_t offset) {
  require_layout("normal", y);
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::normal(q, y, seed, offset);
  draw<Normals>(y, seed, offset);
}

void uniform(Queue& q, View<float> y, std::uint64_t seed, std::uint64_t offset) {
  require_layout("uniform", y);
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::uniform(q, y, seed, offset);
  draw<Uniforms>(y, seed, offset);
}

}  // namespace tweedie
