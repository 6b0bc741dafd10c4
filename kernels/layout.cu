#include "kernels/layout.hpp"
#include "kernels/pack.cuh"

namespace tweedie::cuda {
namespace {

constexpr int side = 32;  // of a tile, channels times pixels
constexpr int tile_rows = block_threads / side;

/// Offset of pixel 0 of channel c of a sample; the next pixel is b further.
__device__ std::int64_t channel_offset(int n, int c, int C, int b, std::int64_t plane) {
  return (std::int64_t(n) * (C / b) + c / b) * plane * b + c % b;
}

/// One tile passes through shared memory, read along x's contiguous axis and written along y's: channels
/// where the block is wide, pixels where it is 1.
template <class T>
__global__ void convert(T* y, const T* x, int C_y, int b_y, int C_x, int b_x, std::int64_t plane, int tiles_c,
                        std::int64_t tiles_p) {
  __shared__ T
      tile[side][side + 1];  // [channel][pixel]; the extra column keeps both directions conflict-free
  std::int64_t index = blockIdx.x;
  const std::int64_t pixel = index % tiles_p * side;
  index /= tiles_p;
  const int channel = int(index % tiles_c) * side, n = int(index / tiles_c);
  const int fast = int(threadIdx.x);
  for (int slow = int(threadIdx.y); slow < side; slow += tile_rows) {
    const int i = b_x > 1 ? fast : slow, j = b_x > 1 ? slow : fast, c = channel + i;
    const bool inside = c < C_x && c < C_y && pixel + j < plane;
    tile[i][j] = inside ? x[channel_offset(n, c, C_x, b_x, plane) + (pixel + j) * b_x] : T(0);
  }
  __syncthreads();
  for (int slow = int(threadIdx.y); slow < side; slow += tile_rows) {
    const int i = b_y > 1 ? fast : slow, j = b_y > 1 ? slow : fast, c = channel + i;
    if (c < C_y && pixel + j < plane)
      y[channel_offset(n, c, C_y, b_y, plane) + (pixel + j) * b_y] = tile[i][j];
  }
}

}  // namespace

void convert_layout(Queue& q, View<float> y, View<const float> x) {
  const std::int64_t plane = y.shape.plane(), tiles_p = (plane + side - 1) / side;
  const int tiles_c = (y.C() + side - 1) / side;
  const std::int64_t blocks = tiles_p * tiles_c * y.N();
  require(blocks < (std::int64_t(1) << 31), "convert_layout: the tensor is too large for one launch");
  convert<float><<<unsigned(blocks), dim3(side, tile_rows), 0, q.stream()>>>(
      y.data, x.data, y.C(), y.b, x.C(), x.b, plane, tiles_c, tiles_p);
  check_launch("convert_layout");
}

}  // namespace tweedie::cuda
