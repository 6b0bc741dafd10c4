#include "kernels/linear.hpp"

namespace tweedie {

void linear_maps(Queue& q, std::span<const LinearWeights> maps, View<const float> x) {
  require(x.H() == 1 && x.W() == 1 && x.C() > 0, "linear_maps: x has shape ", x.shape,
          ", expected (N, in, 1, 1)");
  for (const LinearWeights& map : maps)
    require(map.weight && map.y && map.out > 0, "linear_maps: a map of ", map.out,
            " outputs, without a weight or a result");
  if (x.N() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::linear_maps(q, maps, x);
  const int in = x.C();
#pragma omp parallel
  for (const LinearWeights& map : maps) {
#pragma omp for schedule(static) nowait
    for (int o = 0; o < map.out; ++o) {
      const float* const weight = map.weight + std::int64_t(o) * in;
      for (int n = 0; n < x.N(); ++n) {
        const float* const row = x.data + std::int64_t(n) * in;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int i = 0; i < in; ++i) sum += weight[i] * row[i];
        map.y[std::int64_t(n) * map.out + o] = sum + (map.bias ? map.bias[o] : 0.f);
      }
    }
  }
}

}  // namespace tweedie
