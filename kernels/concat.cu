#include "kernels/concat.hpp"
#include "kernels/pack.cuh"

namespace tweedie::cuda {
namespace {

/// Between y, whose rows are [a's row, b's row], and the two; `joining` tells the direction. Lengths are in
/// packs.
template <class P, bool joining>
__global__ void move_rows(P* y, P* a, P* b, std::int64_t rows, std::int64_t length_a, std::int64_t length_b) {
  const std::int64_t length = length_a + length_b;
  for (std::int64_t row = std::int64_t(blockIdx.y) * blockDim.y + threadIdx.y; row < rows;
       row += std::int64_t(gridDim.y) * blockDim.y)
    for (std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < length;
         i += std::int64_t(gridDim.x) * blockDim.x) {
      P* part = i < length_a ? a + row * length_a + i : b + row * length_b + (i - length_a);
      P* whole = y + row * length + i;
      if (joining)
        *whole = *part;
      else
        *part = *whole;
    }
}

template <bool joining>
void launch(Queue& q, float* y, float* a, float* b, std::int64_t rows, std::int64_t length_a,
            std::int64_t length_b) {
  using Four = Pack<float, 4>;
  const bool packed = length_a % 4 == 0 && length_b % 4 == 0 && aligned(y, a, b);
  const int pack = packed ? 4 : 1;
  const RowGrid g(rows, (length_a + length_b) / pack);
  if (packed)
    move_rows<Four, joining><<<g.blocks, g.threads, 0, q.stream()>>>(
        reinterpret_cast<Four*>(y), reinterpret_cast<Four*>(a), reinterpret_cast<Four*>(b), rows,
        length_a / pack, length_b / pack);
  else
    move_rows<float, joining><<<g.blocks, g.threads, 0, q.stream()>>>(y, a, b, rows, length_a, length_b);
  check_launch(joining ? "concat_channels" : "split_channels");
}

}  // namespace

// The kernel's one signature serves both directions; what it does not write it is given without const.
void concat_rows(Queue& q, float* y, const float* a, const float* b, std::int64_t rows, std::int64_t length_a,
                 std::int64_t length_b) {
  launch<true>(q, y, const_cast<float*>(a), const_cast<float*>(b), rows, length_a, length_b);
}

void split_rows(Queue& q, float* a, float* b, const float* y, std::int64_t rows, std::int64_t length_a,
                std::int64_t length_b) {
  launch<false>(q, const_cast<float*>(y), a, b, rows, length_a, length_b);
}

}  // namespace tweedie::cuda
