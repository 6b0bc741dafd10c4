#include "kernels/concat.hpp"
#include "kernels/pack.cuh"

namespace tweedie::cuda {
namespace {

/// move(offset in y, place in a or b) for each pack of `width` elements of y, whose rows are [a's row, b's
/// row]. Lengths are in packs.
template <int width, class T, class Move>
__device__ void for_packs(T* a, T* b, std::int64_t rows, std::int64_t length_a, std::int64_t length_b,
                          const Move& move) {
  const std::int64_t length = length_a + length_b;
  for (std::int64_t row = std::int64_t(blockIdx.y) * blockDim.y + threadIdx.y; row < rows;
       row += std::int64_t(gridDim.y) * blockDim.y)
    for (std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < length;
         i += std::int64_t(gridDim.x) * blockDim.x) {
      T* part = i < length_a ? a + (row * length_a + i) * width : b + (row * length_b + i - length_a) * width;
      move((row * length + i) * width, part);
    }
}

template <class T, int width>
__global__ void join_rows(float* y, const T* a, const T* b, std::int64_t rows, std::int64_t length_a,
                          std::int64_t length_b) {
  for_packs<width>(a, b, rows, length_a, length_b,
                   [=](std::int64_t at, const T* part) { store(y + at, as_floats(load<T, width>(part))); });
}

template <int width>
__global__ void part_rows(float* a, float* b, const float* y, std::int64_t rows, std::int64_t length_a,
                          std::int64_t length_b) {
  for_packs<width>(a, b, rows, length_a, length_b,
                   [=](std::int64_t at, float* part) { store(part, load<float, width>(y + at)); });
}

/// Whether four elements can be moved at once.
bool packable(std::int64_t length_a, std::int64_t length_b) { return length_a % 4 == 0 && length_b % 4 == 0; }

}  // namespace

void concat_rows(Queue& q, float* y, const MapView& a, const MapView& b, std::int64_t rows,
                 std::int64_t length_a, std::int64_t length_b) {
  const auto run = [&]<class T>(T) {
    const T *from_a = a.as<T>().data, *from_b = b.as<T>().data;
    const bool packed = packable(length_a, length_b) && aligned(y) && aligned(from_a, from_b);
    const int pack = packed ? 4 : 1;
    const RowGrid g(rows, (length_a + length_b) / pack);
    const auto kernel = packed ? join_rows<T, 4> : join_rows<T, 1>;
    kernel<<<g.blocks, g.threads, 0, q.stream()>>>(y, from_a, from_b, rows, length_a / pack, length_b / pack);
  };
  with_storage(a.storage, run);
  check_launch("concat_channels");
}

void split_rows(Queue& q, float* a, float* b, const float* y, std::int64_t rows, std::int64_t length_a,
                std::int64_t length_b) {
  const bool packed = packable(length_a, length_b) && aligned(y, a, b);
  const int pack = packed ? 4 : 1;
  const RowGrid g(rows, (length_a + length_b) / pack);
  const auto kernel = packed ? part_rows<4> : part_rows<1>;
  kernel<<<g.blocks, g.threads, 0, q.stream()>>>(a, b, y, rows, length_a / pack, length_b / pack);
  check_launch("split_channels");
}

}  // namespace tweedie::cuda
