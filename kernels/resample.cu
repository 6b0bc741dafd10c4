#include "kernels/pack.cuh"
#include "kernels/resample.hpp"

namespace tweedie::cuda {
namespace {

// Threads run over the rows of the small tensor (all samples and channel blocks) and over the packs of a
// row. A large row holds 2 * row packs; the pixel right of another is `step` packs further.
struct Row {
  std::int64_t rows;
  unsigned row, step;
};

__device__ std::int64_t first_row() { return std::int64_t(blockIdx.y) * blockDim.y + threadIdx.y; }
__device__ std::int64_t row_step() { return std::int64_t(gridDim.y) * blockDim.y; }
__device__ unsigned first_column() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ unsigned column_step() { return gridDim.x * blockDim.x; }

template <class T, int width>
__global__ void spread(Pack<T, width>* large, const Pack<T, width>* small, float factor, Row r) {
  for (std::int64_t y = first_row(); y < r.rows; y += row_step())
    for (unsigned x = first_column(); x < r.row; x += column_step()) {
      Pack<T, width> value = small[y * r.row + x];
#pragma unroll
      for (int k = 0; k < width; ++k) value.v[k] = T(factor * float(value.v[k]));
      Pack<T, width>* to = large + y * 4 * r.row + x + x / r.step * r.step;
      to[0] = to[r.step] = value;
      to[2 * std::int64_t(r.row)] = to[2 * std::int64_t(r.row) + r.step] = value;
    }
}

template <class T, int width>
__global__ void gather(Pack<T, width>* small, const Pack<T, width>* large, float factor, Row r) {
  for (std::int64_t y = first_row(); y < r.rows; y += row_step())
    for (unsigned x = first_column(); x < r.row; x += column_step()) {
      const Pack<T, width>* from = large + y * 4 * r.row + x + x / r.step * r.step;
      const Pack<T, width>* below = from + 2 * std::int64_t(r.row);
      const Pack<T, width> a = from[0], b = from[r.step], c = below[0], d = below[r.step];
      Pack<T, width> value;
#pragma unroll
      for (int k = 0; k < width; ++k)
        value.v[k] = T(factor * ((float(a.v[k]) + float(b.v[k])) + (float(c.v[k]) + float(d.v[k]))));
      small[y * r.row + x] = value;
    }
}

template <class To, class From>
void launch(Queue& q, void (*kernel)(To*, const From*, float, Row), float* to, const float* from,
            float factor, const Shape& small, int b, int width) {
  const std::int64_t row = std::int64_t(small.W) * b / width;
  require(row < (std::int64_t(1) << 30), "resample: a row of ", small, " is too long");
  const Row r{small.size() / (row * width), unsigned(row), unsigned(b / width)};
  const RowGrid g(r.rows, row);
  kernel<<<g.blocks, g.threads, 0, q.stream()>>>(reinterpret_cast<To*>(to),
                                                 reinterpret_cast<const From*>(from), factor, r);
  check_launch("resample");
}

}  // namespace

void spread2(Queue& q, View<float> large, View<const float> small, float factor) {
  if (small.b % 4 == 0 && aligned(large.data, small.data))
    launch(q, spread<float, 4>, large.data, small.data, factor, small.shape, small.b, 4);
  else
    launch(q, spread<float, 1>, large.data, small.data, factor, small.shape, small.b, 1);
}

void gather2(Queue& q, View<float> small, View<const float> large, float factor) {
  if (small.b % 4 == 0 && aligned(large.data, small.data))
    launch(q, gather<float, 4>, small.data, large.data, factor, small.shape, small.b, 4);
  else
    launch(q, gather<float, 1>, small.data, large.data, factor, small.shape, small.b, 1);
}

}  // namespace tweedie::cuda
