#include <cuda_runtime.h>

#include "kernels/axis_filter.hpp"
#include "kernels/cuda.hpp"

namespace tweedie::cuda {
namespace {

/// One thread, one output pixel. Neighbours along W read neighbours along H's filter, and nearly so along
/// W's, where the cache serves what their windows share. `W` is y's width.
template <class T>
__global__ void axis_filter_kernel(T* y, const T* x, SparseRowsView m, std::int64_t size, int W, Axis axis) {
  const std::int64_t step = std::int64_t(gridDim.x) * blockDim.x;
  for (std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < size; i += step) {
    const std::int64_t row = i / W;
    const int w = int(i % W);
    const bool along_rows = axis == Axis::rows;
    const int o = along_rows ? int(row % m.rows) : w;
    const T* from = along_rows ? x + row / m.rows * m.columns * W + w : x + row * m.columns;
    const std::int64_t stride = along_rows ? W : 1;
    T sum = 0;
    for (int k = m.start[o]; k < m.start[o + 1]; ++k) sum = fma(m.weight[k], from[m.index[k] * stride], sum);
    y[i] = sum;
  }
}

}  // namespace

void axis_filter(Queue& q, View<float> y, View<const float> x, const SparseRowsView& m, Axis axis) {
  axis_filter_kernel<<<grid_of_one_wave(y.size()), block_threads, 0, q.stream()>>>(y.data, x.data, m,
                                                                                   y.size(), y.W(), axis);
  check_launch("axis_filter");
}

}  // namespace tweedie::cuda
