#include <algorithm>

#include "kernels/linear.hpp"
#include "kernels/pack.cuh"

namespace tweedie::cuda {
namespace {

constexpr int most_maps = 64;  // of a launch: they travel as its argument
constexpr int rows_of_block = block_threads / 32;

struct Maps {
  LinearWeights map[most_maps];
  int first[most_maps + 1];  ///< of all rows, the first of each map
};

/// A warp forms one row's products with all vectors.
__global__ void linear_kernel(Maps maps, const float* x, int N, int in) {
  const int row = int(blockIdx.x) * rows_of_block + int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  int k = 0;
  while (k < most_maps && row >= maps.first[k + 1]) ++k;
  if (k == most_maps) return;  // the whole warp
  const LinearWeights map = maps.map[k];
  const int o = row - maps.first[k];
  const float* const weight = map.weight + std::int64_t(o) * in;
  for (int n = 0; n < N; ++n) {
    float sum = 0;
    for (int i = lane; i < in; i += 32) sum = fmaf(weight[i], x[std::int64_t(n) * in + i], sum);
    sum = warp_sum(sum);
    if (lane == 0) map.y[std::int64_t(n) * map.out + o] = sum + (map.bias ? map.bias[o] : 0.f);
  }
}

}  // namespace

void linear_maps(Queue& q, std::span<const LinearWeights> maps, View<const float> x) {
  while (!maps.empty()) {
    const std::size_t count = std::min<std::size_t>(maps.size(), most_maps);
    Maps some{};
    for (std::size_t k = 0; k < most_maps; ++k) {
      if (k < count) some.map[k] = maps[k];
      some.first[k + 1] = some.first[k] + some.map[k].out;
    }
    const int rows = some.first[most_maps];
    linear_kernel<<<unsigned((rows + rows_of_block - 1) / rows_of_block), block_threads, 0, q.stream()>>>(
        some, x.data, x.N(), x.C());
    check_launch("linear_maps");
    maps = maps.subspan(count);
  }
}

}  // namespace tweedie::cuda
