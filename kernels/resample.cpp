#include "kernels/resample.hpp"

#include "kernels/resample_rows.hpp"

namespace tweedie {

using namespace resample_cpu;

namespace {

void check(const char* op, const Shape& large, int large_b, const Shape& small, int small_b) {
  const Shape expected{small.N, small.C, 2 * small.H, 2 * small.W};
  require(large == expected, op, ": ", large, " is not ", small, " with H and W doubled");
  require(large_b == small_b, op, ": blocks differ: ", large_b, " and ", small_b);
  require(small_b > 0 && small.C % small_b == 0, op, ": block ", small_b, " does not divide the ", small.C,
          " channels");
}

void spread_checked(const char* op, Queue& q, View<float> large, View<const float> small, float factor) {
  check(op, large.shape, large.b, small.shape, small.b);
  if (small.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::spread2(q, large, small, factor);
  spread_all<false>(large, small, factor);
}

void gather_checked(const char* op, Queue& q, View<float> small, View<const float> large, float factor) {
  check(op, large.shape, large.b, small.shape, small.b);
  if (small.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::gather2(q, small, large, factor);
  gather_all<false>(small, large, factor);
}

}  // namespace

void upsample_nearest2(Queue& q, View<float> y, View<const float> x) {
  spread_checked("upsample_nearest2", q, y, x, 1.0f);
}
void upsample_nearest2_backward(Queue& q, View<float> dx, View<const float> dy) {
  gather_checked("upsample_nearest2_backward", q, dx, dy, 1.0f);
}
void average_pool2(Queue& q, View<float> y, View<const float> x) {
  gather_checked("average_pool2", q, y, x, 0.25f);
}
void average_pool2_backward(Queue& q, View<float> dx, View<const float> dy) {
  spread_checked("average_pool2_backward", q, dx, dy, 0.25f);
}

}  // namespace tweedie
