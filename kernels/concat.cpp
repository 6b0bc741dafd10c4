#include "kernels/concat.hpp"

#include <algorithm>

namespace tweedie {
namespace {

constexpr std::int64_t piece_floats = 1 << 15;

// In memory y is `rows` times [a's row, b's row]: a sample each where blocks are equal, a pixel each when
// channels-last.
struct Rows {
  std::int64_t rows, a, b;
};

Rows check(const char* op, const Shape& y, int block, const Shape& a, int block_a, const Shape& b,
           int block_b) {
  const bool pixels_match = a.N == y.N && b.N == y.N && a.H == y.H && b.H == y.H && a.W == y.W && b.W == y.W;
  require(pixels_match && a.C + b.C == y.C, op, ": ", a, " and ", b, " do not make up ", y);
  const bool equal =
      block > 0 && block_a == block && block_b == block && a.C % block == 0 && b.C % block == 0;
  const bool channels_last = block == y.C && block_a == a.C && block_b == b.C;
  require(equal || channels_last, op, ": blocks ", block_a, ", ", block_b, " and ", block,
          " are neither equal divisors of the channels nor all channels-last");
  if (equal) return {y.N, a.sample(), b.sample()};
  return {y.N * y.plane(), a.C, b.C};
}

// Copies `rows` rows of `width` elements between two memories whose rows are further apart.
template <class T>
void copy_rows(float* to, std::int64_t to_stride, const T* from, std::int64_t from_stride, std::int64_t rows,
               std::int64_t width) {
  if (rows * width == 0) return;
  const std::int64_t pieces = (width + piece_floats - 1) / piece_floats;
  const std::int64_t rows_at_once = std::max<std::int64_t>(1, piece_floats / width);
  const std::int64_t bands = (rows + rows_at_once - 1) / rows_at_once;
#pragma omp parallel for schedule(static) if (rows * width >= piece_floats)
  for (std::int64_t task = 0; task < bands * pieces; ++task) {
    const std::int64_t begin = task % pieces * piece_floats, count = std::min(piece_floats, width - begin);
    const std::int64_t first = task / pieces * rows_at_once, last = std::min(rows, first + rows_at_once);
    for (std::int64_t row = first; row < last; ++row)
      std::copy_n(from + row * from_stride + begin, count, to + row * to_stride + begin);
  }
}

}  // namespace

void concat_channels(Queue& q, View<float> y, const MapView& a, const MapView& b) {
  const Shape none{a.N(), 0, a.H(), a.W()};
  const Rows r = check("concat_channels", y.shape, y.b, a.shape, a.b, b ? b.shape : none, b ? b.b : y.b);
  require(!b || b.storage == a.storage, "concat_channels: two maps that are stored differently");
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::concat_rows(q, y.data, a, b, r.rows, r.a, r.b);
  with_storage(a.storage, [&]<class T>(T) {
    copy_rows(y.data, r.a + r.b, a.as<T>().data, r.a, r.rows, r.a);
    copy_rows(y.data + r.a, r.a + r.b, b.as<T>().data, r.b, r.rows, r.b);
  });
}

void split_channels(Queue& q, View<float> a, View<float> b, View<const float> y) {
  const Rows r = check("split_channels", y.shape, y.b, a.shape, a.b, b.shape, b.b);
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::split_rows(q, a.data, b.data, y.data, r.rows, r.a, r.b);
  copy_rows(a.data, r.a, y.data, r.a + r.b, r.rows, r.a);
  copy_rows(b.data, r.b, y.data + r.a, r.a + r.b, r.rows, r.b);
}

}  // namespace tweedie
