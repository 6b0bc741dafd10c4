// The inner loops of winograd_kernels.hpp for one vector width. Included once by each of the files that are
// compiled for an instruction set, which define before it, in the same unnamed namespace: Vector, Unaligned
// (the same at any address), `lanes`, `longest_run`, `all` (a vector of one value) and multiply_add. All is
// in the unnamed namespace, so that no two files share a function.
//
// Winograd's minimal filtering (Lavin & Gray 2016, "Fast algorithms for convolutional neural networks") with
// the points 0, +-a, +-b and infinity. For M(p) = p (p^2 - a^2) (p^2 - b^2):
//   the input's rows are the coefficients of M(p) / (p - point), those of infinity M's own,
//   the weights' rows are (1, point, point^2) / M'(point), and (0, 0, 1) for infinity,
//   the output's columns are (1, point, point^2, point^3), and (0, 0, 0, 1) for infinity.
// a and b decide the rounding errors. 5/8 and 3/2 came out of a search over pairs of short binary fractions;
// their errors are well below those of the textbook's 1 and 2.

#include "kernels/transpose_block.hpp"
#include "kernels/winograd_kernels.hpp"

namespace tweedie::winograd {
namespace {

constexpr float a = 0.625f, b = 1.5f;
constexpr float a2 = a * a, b2 = b * b;  // exact, as are a2 * b2 and a2 + b2

[[gnu::always_inline]] inline Vector load(const float* from) {
  return *reinterpret_cast<const Unaligned*>(from);
}

typedef std::uint16_t Halves __attribute__((vector_size(sizeof(Vector) / 2), aligned(2), may_alias));
typedef std::uint32_t Bits __attribute__((vector_size(sizeof(Vector))));

/// Of bfloat16 numbers, the upper halves of floats.
[[gnu::always_inline]] inline Vector load(const std::uint16_t* from) {
  return Vector(__builtin_convertvector(*reinterpret_cast<const Halves*>(from), Bits) << 16);
}

[[gnu::always_inline]] inline void store(float* to, const Vector& v) {
  *reinterpret_cast<Unaligned*>(to) = v;
}

[[gnu::always_inline]] inline Vector scaled_add(float scale, Vector x, Vector y) {
  return multiply_add(all(scale), x, y);
}

// ---- the transforms of one row or column ----------------------------------------------------------------

[[gnu::always_inline]] inline void input_line(Vector (&to)[6], const Vector (&d)[6]) {
  const Vector even_a = scaled_add(-b2, d[2], d[4]), odd_a = scaled_add(-b2, d[1], d[3]);
  const Vector even_b = scaled_add(-a2, d[2], d[4]), odd_b = scaled_add(-a2, d[1], d[3]);
  to[0] = scaled_add(a2 * b2, d[0], scaled_add(-(a2 + b2), d[2], d[4]));
  to[1] = scaled_add(a, odd_a, even_a);
  to[2] = scaled_add(-a, odd_a, even_a);
  to[3] = scaled_add(b, odd_b, even_b);
  to[4] = scaled_add(-b, odd_b, even_b);
  to[5] = scaled_add(a2 * b2, d[1], scaled_add(-(a2 + b2), d[3], d[5]));
}

[[gnu::always_inline]] inline void weights_line(Vector (&to)[6], const Vector& g0, const Vector& g1,
                                                const Vector& g2) {
  constexpr float at_a = float(0.5 / (double(a2) * (double(a2) - b2)));  // 1 / M'(+-a)
  constexpr float at_b = float(0.5 / (double(b2) * (double(b2) - a2)));
  const Vector even_a = scaled_add(a2, g2, g0), even_b = scaled_add(b2, g2, g0);
  to[0] = all(float(1.0 / (double(a2) * b2))) * g0;
  to[1] = all(at_a) * scaled_add(a, g1, even_a);
  to[2] = all(at_a) * scaled_add(-a, g1, even_a);
  to[3] = all(at_b) * scaled_add(b, g1, even_b);
  to[4] = all(at_b) * scaled_add(-b, g1, even_b);
  to[5] = g2;
}

[[gnu::always_inline]] inline void output_line(Vector (&to)[4], const Vector (&m)[6]) {
  const Vector even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
  to[0] = m[0] + even_a + even_b;
  to[1] = scaled_add(b, odd_b, all(a) * odd_a);
  to[2] = scaled_add(b2, even_b, all(a2) * even_a);
  to[3] = scaled_add(b2 * b, odd_b, scaled_add(a2 * a, odd_a, m[5]));
}

// ---- tiles ----------------------------------------------------------------------------------------------

// A tile's place: sample, and the first row and column of its output.
struct Place {
  int n, h, w;
};

[[gnu::always_inline]] inline Place place_of(const Maps& maps, int tile) {
  const int row = tile / maps.columns();
  return {row / maps.rows(), row % maps.rows() * 4, tile % maps.columns() * 4};
}

[[gnu::always_inline]] inline void advance(const Maps& maps, Place& p) {
  p.w += 4;
  if (p.w < maps.W) return;
  p.w = 0;
  p.h += 4;
  if (p.h < maps.H) return;
  p.h = 0;
  ++p.n;
}

// `inner`: all 6 x 6 pixels are within the map. x: the first channel block of the tile's pixel (0, 0), which
// may lie outside.
template <bool inner, class T>
[[gnu::always_inline]] inline void transform_tile(float* v, std::int64_t plane, const T* x, const Maps& maps,
                                                  const Place& p) {
  Vector half[6][6];
#pragma GCC unroll 6
  for (int c = 0; c < 6; ++c) {
    Vector column[6], made[6];
#pragma GCC unroll 6
    for (int r = 0; r < 6; ++r) {
      const bool there =
          inner || (p.h - 1 + r >= 0 && p.h - 1 + r < maps.H && p.w - 1 + c >= 0 && p.w - 1 + c < maps.W);
      column[r] = there ? load(x + (std::int64_t(r - 1) * maps.W + c - 1) * lanes) : Vector{};
    }
    input_line(made, column);
#pragma GCC unroll 6
    for (int r = 0; r < 6; ++r) half[r][c] = made[r];
  }
#pragma GCC unroll 6
  for (int r = 0; r < 6; ++r) {
    Vector made[6];
    input_line(made, half[r]);
#pragma GCC unroll 6
    for (int c = 0; c < 6; ++c) store(v + (r * 6 + c) * plane, made[c]);
  }
}

template <class T>
void transform_input(float* v, std::int64_t plane, const T* x, const Maps& maps, int blocks, int block,
                     int first, int tiles) {
  Place p = place_of(maps, first);
  for (int t = 0; t < tiles; ++t, advance(maps, p)) {
    const T* const from = x + (((std::int64_t(p.n) * blocks + block) * maps.H + p.h) * maps.W + p.w) * lanes;
    if (p.h > 0 && p.w > 0 && p.h + 5 <= maps.H && p.w + 5 <= maps.W)
      transform_tile<true>(v + t * lanes, plane, from, maps, p);
    else
      transform_tile<false>(v + t * lanes, plane, from, maps, p);
  }
}

constexpr int square = lanes * lanes;

void turn_weights(float* to, const float* weights) {
  for (int tap = 0; tap < 9; ++tap) transpose_block<lanes>(to + (8 - tap) * square, weights + tap * square);
}

void transform_weights(float* u, std::int64_t plane, const float* const* weights, int vectors,
                       bool transposed) {
  alignas(sizeof(Vector)) float turned[9 * square];
  for (int k = 0; k < vectors; ++k) {
    const float* taps = weights[k];
    if (transposed) {
      turn_weights(turned, weights[k]);
      taps = turned;
    }
    for (int s = 0; s < lanes; ++s) {
      // Nine rows that far apart are no pattern that the processor would follow on its own.
      if (!transposed)
        for (int tap = 0; tap < 9; ++tap) __builtin_prefetch(taps + (9 + tap) * square + s * lanes);
      Vector half[6][3];
#pragma GCC unroll 3
      for (int c = 0; c < 3; ++c) {
        Vector made[6];
        weights_line(made, load(taps + c * square + s * lanes), load(taps + (3 + c) * square + s * lanes),
                     load(taps + (6 + c) * square + s * lanes));
#pragma GCC unroll 6
        for (int r = 0; r < 6; ++r) half[r][c] = made[r];
      }
      float* const to = u + (s * vectors + k) * lanes;
#pragma GCC unroll 6
      for (int r = 0; r < 6; ++r) {
        Vector made[6];
        weights_line(made, half[r][0], half[r][1], half[r][2]);
#pragma GCC unroll 6
        for (int c = 0; c < 6; ++c) store(to + (r * 6 + c) * plane, made[c]);
      }
    }
  }
}

// ---- products -------------------------------------------------------------------------------------------

// How many source channels ahead weights are asked for. 32 of them take 32 * 28 / 2 = 448 cycles at 14 tiles
// and two multiply-adds a cycle, which covers a third-level cache's latency. They are too many for the
// processor to run ahead on its own.
constexpr int ahead = 32;

// `run` tiles by `vectors` blocks of result channels stay in registers while all sources are summed.
template <int vectors, int run>
void multiply_run(float* m, const float* v, const float* u, int source_blocks, int tiles, bool adding) {
  Vector sum[vectors][run] = {};
  for (int block = 0; block < source_blocks; ++block, v += std::int64_t(tiles) * lanes)
    for (int s = 0; s < lanes; ++s, u += vectors * lanes) {
      Vector row[vectors];
#pragma GCC unroll 2
      for (int k = 0; k < vectors; ++k) {
        row[k] = load(u + k * lanes);
        __builtin_prefetch(u + (ahead * vectors + k) * lanes);
      }
      __builtin_prefetch(v + (std::int64_t(tiles) + s) * lanes);
#pragma GCC unroll 14
      for (int t = 0; t < run; ++t) {
        const Vector value = all(v[t * lanes + s]);
#pragma GCC unroll 2
        for (int k = 0; k < vectors; ++k) sum[k][t] = multiply_add(value, row[k], sum[k][t]);
      }
    }
#pragma GCC unroll 2
  for (int k = 0; k < vectors; ++k)
#pragma GCC unroll 14
    for (int t = 0; t < run; ++t) {
      float* const to = m + (std::int64_t(k) * tiles + t) * lanes;
      store(to, adding ? load(to) + sum[k][t] : sum[k][t]);
    }
}

template <int vectors, int run>
void multiply_runs_of(int wanted, float* m, const float* v, const float* u, int source_blocks, int tiles,
                      bool adding) {
  if (wanted == run) return multiply_run<vectors, run>(m, v, u, source_blocks, tiles, adding);
  if constexpr (run > 1) multiply_runs_of<vectors, run - 1>(wanted, m, v, u, source_blocks, tiles, adding);
}

// Runs of nearly equal length: a short rest would leave most of the registers unused.
template <int vectors>
void multiply_tiles(float* m, const float* v, const float* u, int source_blocks, int tiles, bool adding) {
  const int runs = (tiles + longest_run - 1) / longest_run;
  for (int i = 0; i < runs; ++i) {
    const int first = int(std::int64_t(tiles) * i / runs), end = int(std::int64_t(tiles) * (i + 1) / runs);
    multiply_runs_of<vectors, longest_run>(end - first, m + first * lanes, v + first * lanes, u,
                                           source_blocks, tiles, adding);
  }
}

void multiply(float* m, const float* v, const float* u, int source_blocks, int tiles, int vectors,
              bool adding) {
  if (vectors == 2)
    multiply_tiles<2>(m, v, u, source_blocks, tiles, adding);
  else
    multiply_tiles<1>(m, v, u, source_blocks, tiles, adding);
}

// ---- products with weights made on the way ----------------------------------------------------------------

// Six points in a row of `tiles` tiles stay in registers while all sources are summed. Stored, transformed
// weights would be four times the packed ones, and with few tiles storing them takes longer than this.
template <int row, int tiles>
void form_row(float* m, std::int64_t m_plane, const float* v, std::int64_t v_plane, const float* weights,
              int source_blocks, std::int64_t v_block, bool adding, const float* next,
              std::int64_t next_step) {
  Vector sum[6][tiles] = {};
  for (int block = 0; block < source_blocks; ++block, v += v_block, weights += 9 * square, next += next_step)
    for (int s = 0; s < lanes; ++s) {
      const float* const taps = weights + s * lanes;
      // Six rows ask for nine taps.
      __builtin_prefetch(next + row * square + s * lanes);
      if (row < 3) __builtin_prefetch(next + (6 + row) * square + s * lanes);
      Vector half[3], made[6];
#pragma GCC unroll 3
      for (int c = 0; c < 3; ++c) {
        Vector column[6];
        weights_line(column, load(taps + c * square), load(taps + (3 + c) * square),
                     load(taps + (6 + c) * square));
        half[c] = column[row];
      }
      weights_line(made, half[0], half[1], half[2]);
#pragma GCC unroll 6
      for (int c = 0; c < 6; ++c)
#pragma GCC unroll 4
        for (int t = 0; t < tiles; ++t)
          sum[c][t] = multiply_add(all(v[c * v_plane + t * lanes + s]), made[c], sum[c][t]);
    }
#pragma GCC unroll 6
  for (int c = 0; c < 6; ++c)
#pragma GCC unroll 4
    for (int t = 0; t < tiles; ++t) {
      float* const to = m + c * m_plane + t * lanes;
      store(to, adding ? load(to) + sum[c][t] : sum[c][t]);
    }
}

template <int row, int tiles, class... Arguments>
void form_rows(float* m, std::int64_t m_plane, const float* v, std::int64_t v_plane, Arguments... arguments) {
  form_row<row, tiles>(m + row * 6 * m_plane, m_plane, v + row * 6 * v_plane, v_plane, arguments...);
  if constexpr (row < 5) form_rows<row + 1, tiles>(m, m_plane, v, v_plane, arguments...);
}

template <int tiles, class... Arguments>
void form_rows_of(int wanted, Arguments... arguments) {
  if (wanted == tiles) return form_rows<0, tiles>(arguments...);
  if constexpr (tiles > 1) form_rows_of<tiles - 1>(wanted, arguments...);
}

// `most` tiles are summed together: 6 * `most` sums, beside which the transform needs registers too.
template <int most>
void multiply_forming(float* m, std::int64_t m_plane, const float* v, std::int64_t v_plane,
                      const float* weights, int source_blocks, int tiles, bool adding, const float* next,
                      std::int64_t next_step) {
  const std::int64_t v_block = std::int64_t(tiles) * lanes;
  for (int t = 0; t < tiles; t += most)
    form_rows_of<most>(tiles - t < most ? tiles - t : most, m + t * lanes, m_plane, v + t * lanes, v_plane,
                       weights, source_blocks, v_block, adding, next, next_step);
}

// ---- results --------------------------------------------------------------------------------------------

void transform_output(float* y, const float* m, std::int64_t plane, const float* bias, const Maps& maps,
                      int blocks, int block, int first, int tiles, bool adding) {
  const Vector offset = bias ? load(bias) : Vector{};
  Place p = place_of(maps, first);
  for (int t = 0; t < tiles; ++t, advance(maps, p)) {
    Vector half[4][6];
#pragma GCC unroll 6
    for (int c = 0; c < 6; ++c) {
      Vector column[6], made[4];
#pragma GCC unroll 6
      for (int r = 0; r < 6; ++r) column[r] = load(m + (r * 6 + c) * plane + t * lanes);
      output_line(made, column);
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) half[r][c] = made[r];
    }
    float* const to = y + (((std::int64_t(p.n) * blocks + block) * maps.H + p.h) * maps.W + p.w) * lanes;
    const int rows = maps.H - p.h, columns = maps.W - p.w;
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
      Vector made[4];
      output_line(made, half[r]);
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c) {
        if (r >= rows || c >= columns) continue;
        float* const pixel = to + (std::int64_t(r) * maps.W + c) * lanes;
        const Vector value = made[c] + offset;
        store(pixel, adding ? value + load(pixel) : value);
      }
    }
  }
}

}  // namespace
}  // namespace tweedie::winograd
