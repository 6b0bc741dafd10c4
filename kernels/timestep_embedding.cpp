#include "kernels/timestep_embedding.hpp"

#include <cmath>

namespace tweedie {

void timestep_embedding(Queue& q, View<float> y, View<const float> t, float max_period) {
  require(y.C() % 2 == 0 && y.H() == 1 && y.W() == 1, "timestep_embedding: y has shape ", y.shape,
          ", expected (N, D, 1, 1) with D even");
  require(t.shape == Shape{y.N(), 1, 1, 1}, "timestep_embedding: t has shape ", t.shape, ", expected ",
          Shape{y.N(), 1, 1, 1});
  require(max_period > 0, "timestep_embedding: max_period must be positive, got ", max_period);
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::timestep_embedding(q, y, t, max_period);
  const int half = y.C() / 2;
  const double log_period = std::log(double(max_period));
  for (int n = 0; n < y.N(); ++n) {
    float* row = y.data + std::int64_t(n) * y.C();  // one pixel: the same place in every layout
    for (int i = 0; i < half; ++i) {
      const double angle = t.data[n] * std::exp(-log_period * i / half);
      row[i] = float(std::cos(angle));
      row[half + i] = float(std::sin(angle));
    }
  }
}

}  // namespace tweedie
