#include <cfloat>
#include <cmath>
#include <limits>

#include "kernels/attention_tiles.cuh"

namespace tweedie::cuda {
namespace {

/// What a launch works on.
struct Work {
  AttentionHeads heads;
  const float *qkv, *dy;
  float *y, *dqkv;
  float* stats;  ///< of each row of weights: maximum, 1 / sum, and by slices sum_c(y dy)
  int tiles, slices;
  bool whole;

  __host__ __device__ std::int64_t rows() const { return std::int64_t(heads.N) * heads.count * heads.T; }
};

/// What of it a block does: `side` rows of a head of a sample, and of the result one of `slices` of channels.
struct Place {
  std::int64_t head;  ///< of all samples
  int row, slice;
  std::int64_t qkv, y;  ///< offsets of the head's q and of its part of y

  __device__ Place(const Work& w, int slices) {
    const AttentionHeads& h = w.heads;
    const unsigned tile = blockIdx.x / unsigned(slices);
    slice = int(blockIdx.x % unsigned(slices));
    head = tile / unsigned(w.tiles);
    row = int(tile % unsigned(w.tiles)) * side;
    const std::int64_t n = head / h.count, index = head % h.count;
    qkv = n * h.sample + index * h.step;
    y = n * h.y_sample + index * h.c;
  }
  /// q, k or v: `offset` from q.
  __device__ Rows input(const Work& w, std::int64_t offset) const {
    return {w.qkv + qkv + offset, w.heads.row, w.heads.T, w.heads.c, w.whole};
  }
  __device__ Rows slope(const Work& w) const { return {w.dy + y, w.heads.C, w.heads.T, w.heads.c, w.whole}; }
};

// y, key tile by key tile: of the weights a row's maximum so far, and exp of what is less (Dao et al. 2022,
// algorithm 1). With `statistics` also what the way back reads. Masked weights are -infinity; the first
// maximum is finite, so that a tile of those changes nothing.
template <int parts, bool statistics>
__global__ void __launch_bounds__(tile_threads, 3) attention_rows(const Work w) {
  __shared__ Tile queries, keys, values;
  __shared__ Square weights;
  const Thread at;
  const Place place(w, w.slices);
  const AttentionHeads& h = w.heads;
  const Rows q = place.input(w, 0), k = place.input(w, h.k), v = place.input(w, h.v);
  const int column = place.slice * parts * wide;
  float maximum[2] = {-FLT_MAX, -FLT_MAX}, sum[2] = {};
  Sums mixed[parts] = {};
  for (int key = 0; key < h.T; key += side) {
    float logits[2][4] = {};
    for (int c = 0; c < h.c; c += wide) {
      __syncthreads();  // what the tiles held has been read
      if (key == 0 || h.c > wide) copy_tile(queries, q, place.row, c);
      copy_tile(keys, k, key, c);
      if (c == 0) copy_tile(values, v, key, column);
      __syncthreads();
      add_products(logits, queries, keys, min(wide, h.c - c));
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        logits[r][i] = key + at.x + 8 * i < h.T ? logits[r][i] * h.scale : -INFINITY;
      const float largest = fmaxf(fmaxf(logits[r][0], logits[r][1]), fmaxf(logits[r][2], logits[r][3]));
      const float above = fmaxf(maximum[r], row_max(largest));
      const float factor = expf(maximum[r] - above);
      maximum[r] = above;
      sum[r] *= factor;
#pragma unroll
      for (int part = 0; part < parts; ++part)
#pragma unroll
        for (int j = 0; j < 8; ++j) mixed[part][r][j / 4][j % 4] *= factor;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float weight = expf(logits[r][i] - above);
        sum[r] += weight;
        weights.v[2 * at.y + r][at.x + 8 * i] = weight;
      }
    }
    __syncwarp();  // a row of weights is written and read by one warp
    add_mixed_parts(mixed, weights, values, v, key, column, 1);
  }
  const std::int64_t first = place.head * h.T + place.row, rows = w.rows();
  const Rows like{nullptr, h.C, h.T, h.c, w.whole};
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float inverse = 1.0f / row_sum(sum[r]);
    float product = 0;
    const int i = 2 * at.y + r;
    const bool there = place.row + i < h.T;
#pragma unroll
    for (int part = 0; part < parts; ++part)
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        float& value = mixed[part][r][j / 4][j % 4];
        value *= inverse;
        if (!statistics) continue;
        const int c = column + part * wide + j / 4 * 32 + 4 * at.x + j % 4;
        if (there && c < h.c)
          product = fmaf(value, w.dy[place.y + (place.row + i) * std::int64_t(h.C) + c], product);
      }
    if (!statistics) continue;
    product = row_sum(product);
    if (at.x != 0 || !there) continue;
    w.stats[(2 + place.slice) * rows + first + i] = product;
    if (place.slice > 0) continue;
    w.stats[first + i] = maximum[r];
    w.stats[rows + first + i] = inverse;
  }
  if (w.y) store_parts(w.y + place.y, like, place.row, column, mixed);
}

struct Statistics {
  float maximum = 0, inverse = 0, product = 0;
};

/// Zeros beyond the last row.
__device__ Statistics statistics_of(const Work& w, const Place& place, int row) {
  if (row >= w.heads.T) return {};
  const std::int64_t at = place.head * w.heads.T + row, rows = w.rows();
  Statistics s{w.stats[at], w.stats[rows + at], 0};
  for (int slice = 0; slice < w.slices; ++slice) s.product += w.stats[(2 + slice) * rows + at];
  return s;
}

struct Tiles {
  Tile own_x, own_g, other_x, other_g;
  Square weights, slopes;
};

// A block has rows of q and goes over all keys, for dq; or, `by_keys`, rows of k and v and goes over all
// queries, for dk and dv. x: what the logits are products of, g: what their gradients are. Each block sums by
// itself and in one order.
template <int parts, bool by_keys>
__device__ void gradient(const Work& w, const Place& place, Tiles& s, int slice) {
  const Thread at;
  const AttentionHeads& h = w.heads;
  const Rows q = place.input(w, 0), k = place.input(w, h.k), v = place.input(w, h.v), dy = place.slope(w);
  const Rows &own_x = by_keys ? k : q, &own_g = by_keys ? v : dy;
  const Rows &other_x = by_keys ? q : k, &other_g = by_keys ? dy : v;
  const int column = slice * parts * wide, loaded = h.c > wide ? 0 : 1;
  Statistics own[2], others[4];
  if (!by_keys)
    for (int r = 0; r < 2; ++r) own[r] = statistics_of(w, place, place.row + 2 * at.y + r);
  Sums dx[parts] = {}, dg[by_keys ? parts : 1] = {};
  for (int other = 0; other < h.T; other += side) {
    float logits[2][4] = {}, slopes[2][4] = {};
    for (int c = 0; c < h.c; c += wide) {
      __syncthreads();  // what the tiles held has been read
      if (other == 0 || h.c > wide) {
        copy_tile(s.own_x, own_x, place.row, c);
        copy_tile(s.own_g, own_g, place.row, c);
      }
      copy_tile(s.other_x, other_x, other, c);
      copy_tile(s.other_g, other_g, other, c);
      __syncthreads();
      add_products(logits, s.own_x, s.other_x, min(wide, h.c - c));
      add_products(slopes, s.own_g, s.other_g, min(wide, h.c - c));
    }
    if (by_keys)
      for (int i = 0; i < 4; ++i) others[i] = statistics_of(w, place, other + at.x + 8 * i);
#pragma unroll
    for (int r = 0; r < 2; ++r)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const Statistics& row = by_keys ? others[i] : own[r];
        const bool there = other + at.x + 8 * i < h.T;
        const float weight = there ? expf(logits[r][i] * h.scale - row.maximum) * row.inverse : 0;
        const float slope = there ? weight * (slopes[r][i] - row.product) * h.scale : 0;
        if (by_keys) s.weights.v[2 * at.y + r][at.x + 8 * i] = weight;
        s.slopes.v[2 * at.y + r][at.x + 8 * i] = slope;
      }
    __syncwarp();  // a row of them is written and read by one warp
    add_mixed_parts(dx, s.slopes, s.other_x, other_x, other, column, loaded);
    if constexpr (by_keys) add_mixed_parts(dg, s.weights, s.other_g, other_g, other, column, loaded);
  }
  float* const to = w.dqkv + place.qkv;
  store_parts(to + (by_keys ? h.k : 0), q, place.row, column, dx);
  if constexpr (by_keys) store_parts(to + h.v, q, place.row, column, dg);
}

// One launch for all three, as a single sample's heads alone do not feed a GPU. Blocks side by side read the
// same: dq's, and dk's and dv's, of the same pixels.
template <int parts>
__global__ void __launch_bounds__(tile_threads, 3) attention_gradients(const Work w) {
  __shared__ Tiles tiles;
  const Place place(w, 2 * w.slices);
  if (place.slice < w.slices)
    gradient<parts, false>(w, place, tiles, place.slice);
  else
    gradient<parts, true>(w, place, tiles, place.slice - w.slices);
}

// Heads of up to 64 channels have one part; wider ones are cut into slices of two, each of which forms the
// weights for itself.
int parts_of(const AttentionHeads& h) { return h.c > wide ? 2 : 1; }

Work work_of(const Shape& y, const AttentionForm& form) {
  Work w{AttentionHeads(y, form), nullptr, nullptr, nullptr, nullptr, nullptr, 0, 0, false};
  w.tiles = (w.heads.T + side - 1) / side;
  w.slices = (w.heads.c + parts_of(w.heads) * wide - 1) / (parts_of(w.heads) * wide);
  return w;
}

unsigned blocks_of(const Work& w, int slices) {
  const std::int64_t blocks = std::int64_t(w.heads.N) * w.heads.count * w.tiles * slices;
  require(blocks <= std::numeric_limits<int>::max(), "attention: ", blocks, " blocks are too many");
  return unsigned(blocks);
}

}  // namespace

void attention(Queue& q, View<float> y, View<const float> qkv, const AttentionForm& form) {
  Work w = work_of(y.shape, form);
  w.qkv = qkv.data;
  w.y = y.data;
  w.whole = w.heads.c % 4 == 0 && aligned(y.data, qkv.data);
  const auto kernel = parts_of(w.heads) == 1 ? attention_rows<1, false> : attention_rows<2, false>;
  kernel<<<blocks_of(w, w.slices), tile_threads, 0, q.stream()>>>(w);
  check_launch("attention");
}

void attention_backward(Queue& q, View<float> dqkv, View<const float> dy, View<const float> qkv,
                        const AttentionForm& form, View<float> y) {
  Work w = work_of(dy.shape, form);
  w.qkv = qkv.data;
  w.dy = dy.data;
  w.y = y.data;
  w.dqkv = dqkv.data;
  w.stats = static_cast<float*>(q.scratch(std::size_t((2 + w.slices) * w.rows()) * sizeof(float)));
  w.whole = w.heads.c % 4 == 0 && aligned(y.data, qkv.data, dy.data, dqkv.data);
  const bool narrow = parts_of(w.heads) == 1;
  const auto rows = narrow ? attention_rows<1, true> : attention_rows<2, true>;
  const auto gradients = narrow ? attention_gradients<1> : attention_gradients<2>;
  rows<<<blocks_of(w, w.slices), tile_threads, 0, q.stream()>>>(w);
  check_launch("attention_backward: rows");
  gradients<<<blocks_of(w, 2 * w.slices), tile_threads, 0, q.stream()>>>(w);
  check_launch("attention_backward: gradients");
}

}  // namespace tweedie::cuda
