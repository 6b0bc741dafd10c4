#include "kernels/layout.hpp"

#include <algorithm>

namespace tweedie {
namespace {

constexpr std::int64_t tile = 256;  // pixels: what a tile reads of one channel block stays in the first cache
constexpr std::int64_t parallel_floats = 1 << 15;

// One channel's pixels [begin, end): y[p * to_step] = x[p * from_step], or 0 without x.
void move_channel(float* y, std::int64_t to_step, const float* x, std::int64_t from_step, std::int64_t begin,
                  std::int64_t end) {
  if (!x)
    for (std::int64_t p = begin; p < end; ++p) y[p * to_step] = 0;
  else if (to_step == 1 && from_step == 1)
    std::copy(x + begin, x + end, y + begin);
  else
    for (std::int64_t p = begin; p < end; ++p) y[p * to_step] = x[p * from_step];
}

void convert_cpu(View<float> y, View<const float> x) {
  const std::int64_t plane = y.shape.plane(), tiles = (plane + tile - 1) / tile;
#pragma omp parallel for schedule(static) if (y.size() >= parallel_floats)
  for (std::int64_t task = 0; task < y.N() * tiles; ++task) {
    const int n = int(task / tiles);
    const std::int64_t begin = task % tiles * tile, end = std::min(plane, begin + tile);
    for (int c = 0; c < y.C(); ++c)
      move_channel(y.data + y.offset(n, c, 0, 0), y.b, c < x.C() ? x.data + x.offset(n, c, 0, 0) : nullptr,
                   x.b, begin, end);
  }
}

}  // namespace

void convert_layout(Queue& q, View<float> y, View<const float> x) {
  require(y.N() == x.N() && y.H() == x.H() && y.W() == x.W(),
          "convert_layout: samples or pixels differ: ", y.shape, " and ", x.shape);
  require(y.b > 0 && x.b > 0 && y.C() % y.b == 0 && x.C() % x.b == 0, "convert_layout: blocks ", y.b, " and ",
          x.b, " do not divide the channels ", y.C(), " and ", x.C());
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::convert_layout(q, y, x);
  convert_cpu(y, x);
}

}  // namespace tweedie
