#include <cmath>

#include "kernels/pack.cuh"
#include "kernels/softmax.hpp"

namespace tweedie::cuda {
namespace {

// One warp per row: a U-Net's attention has heads times tokens rows, at least a thousand of them.
constexpr int warps = block_threads / 32;

/// The row of this warp's turn, and the lane's first pack in it. Whole warps leave the loop together.
struct Rows {
  std::int64_t row = (std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  std::int64_t step = std::int64_t(gridDim.x) * warps;
  int lane = int(threadIdx.x % 32);
};

__device__ float warp_max(float value) {
  for (int distance = 16; distance > 0; distance /= 2)
    value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, distance));
  return value;
}

// y may be x: a lane writes only what it alone has read. fmaxf ignores NaN; exp(NaN - maximum) and so the
// sum and the row are NaN all the same.
template <class T, int pack>
__global__ void softmax_rows(T* y, const T* x, std::int64_t rows, int width) {
  Rows at;
  for (; at.row < rows; at.row += at.step) {
    const T* from = x + at.row * width;
    float maximum = -INFINITY;
    for (int i = at.lane * pack; i < width; i += 32 * pack) {
      const Pack<T, pack> value = load<T, pack>(from + i);
#pragma unroll
      for (int k = 0; k < pack; ++k) maximum = fmaxf(maximum, float(value.v[k]));
    }
    maximum = warp_max(maximum);
    float sum = 0;
    for (int i = at.lane * pack; i < width; i += 32 * pack) {
      const Pack<T, pack> value = load<T, pack>(from + i);
#pragma unroll
      for (int k = 0; k < pack; ++k) sum += expf(float(value.v[k]) - maximum);
    }
    const float factor = 1.0f / warp_sum(sum);
    for (int i = at.lane * pack; i < width; i += 32 * pack) {
      Pack<T, pack> value = load<T, pack>(from + i);
#pragma unroll
      for (int k = 0; k < pack; ++k) value.v[k] = T(expf(float(value.v[k]) - maximum) * factor);
      store(y + at.row * width + i, value);
    }
  }
}

template <class T, int pack>
__global__ void softmax_backward_rows(T* dx, const T* dy, const T* y, std::int64_t rows, int width) {
  Rows at;
  for (; at.row < rows; at.row += at.step) {
    const std::int64_t begin = at.row * width;
    float sum = 0;
    for (int i = at.lane * pack; i < width; i += 32 * pack) {
      const Pack<T, pack> slope = load<T, pack>(dy + begin + i), value = load<T, pack>(y + begin + i);
#pragma unroll
      for (int k = 0; k < pack; ++k) sum = fmaf(float(slope.v[k]), float(value.v[k]), sum);
    }
    sum = warp_sum(sum);
    for (int i = at.lane * pack; i < width; i += 32 * pack) {
      Pack<T, pack> slope = load<T, pack>(dy + begin + i);
      const Pack<T, pack> value = load<T, pack>(y + begin + i);
#pragma unroll
      for (int k = 0; k < pack; ++k) slope.v[k] = T(float(value.v[k]) * (float(slope.v[k]) - sum));
      store(dx + begin + i, slope);
    }
  }
}

}  // namespace

void softmax(Queue& q, View<float> y, View<const float> x) {
  const std::int64_t rows = x.size() / x.W();
  const auto kernel =
      x.W() % 4 == 0 && aligned(y.data, x.data) ? softmax_rows<float, 4> : softmax_rows<float, 1>;
  kernel<<<grid_for(rows * 32), block_threads, 0, q.stream()>>>(y.data, x.data, rows, x.W());
  check_launch("softmax");
}

void softmax_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y) {
  const std::int64_t rows = y.size() / y.W();
  const auto kernel = y.W() % 4 == 0 && aligned(dx.data, dy.data, y.data) ? softmax_backward_rows<float, 4>
                                                                          : softmax_backward_rows<float, 1>;
  kernel<<<grid_for(rows * 32), block_threads, 0, q.stream()>>>(dx.data, dy.data, y.data, rows, y.W());
  check_launch("softmax_backward");
}

}  // namespace tweedie::cuda
