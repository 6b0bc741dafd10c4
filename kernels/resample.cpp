#include "kernels/resample.hpp"

namespace tweedie {
namespace {

constexpr std::int64_t parallel_floats = 1 << 15;

// Rows of the small tensor: two rows of the large one belong to each. `large` and `small` are the first
// elements of a row, `stride` the length of a large row in floats.
struct Rows {
  int width, b;
  std::int64_t stride;
};

// The block is a template argument where it is common, so that the inner loop becomes a few vector moves.
template <int fixed_b, class Body>
[[gnu::always_inline]] inline void for_block(const Rows& r, const Body& body) {
  const int b = fixed_b > 0 ? fixed_b : r.b;
  if constexpr (fixed_b == 1) {
#pragma omp simd
    for (int w = 0; w < r.width; ++w) body(2 * w, w, 1);
  } else {
    for (int w = 0; w < r.width; ++w) {
#pragma omp simd
      for (int j = 0; j < b; ++j) body(std::int64_t(2 * w) * b + j, std::int64_t(w) * b + j, b);
    }
  }
}

template <int fixed_b>
void spread(float* large, const float* small, float factor, const Rows& r) {
  for_block<fixed_b>(r, [&](std::int64_t to, std::int64_t from, int b) {
    const float value = factor * small[from];
    large[to] = large[to + b] = large[to + r.stride] = large[to + r.stride + b] = value;
  });
}

template <int fixed_b>
void gather(float* small, const float* large, float factor, const Rows& r) {
  for_block<fixed_b>(r, [&](std::int64_t from, std::int64_t to, int b) {
    const float top = large[from] + large[from + b];
    small[to] = factor * (top + (large[from + r.stride] + large[from + r.stride + b]));
  });
}

// Every pixel of `small` times `factor` to its four of `large`.
void spread_all(View<float> large, View<const float> small, float factor) {
  const std::int64_t row = std::int64_t(small.W()) * small.b, rows = small.size() / row;
  const Rows r{small.W(), small.b, 2 * row};
#pragma omp parallel for schedule(static) if (large.size() >= parallel_floats)
  for (std::int64_t i = 0; i < rows; ++i) {
    float* to = large.data + i * 4 * row;
    const float* from = small.data + i * row;
    if (r.b == 16)
      spread<16>(to, from, factor, r);
    else if (r.b == 1)
      spread<1>(to, from, factor, r);
    else
      spread<0>(to, from, factor, r);
  }
}

// The sum of four pixels of `large` times `factor` to each of `small`.
void gather_all(View<float> small, View<const float> large, float factor) {
  const std::int64_t row = std::int64_t(small.W()) * small.b, rows = small.size() / row;
  const Rows r{small.W(), small.b, 2 * row};
#pragma omp parallel for schedule(static) if (large.size() >= parallel_floats)
  for (std::int64_t i = 0; i < rows; ++i) {
    float* to = small.data + i * row;
    const float* from = large.data + i * 4 * row;
    if (r.b == 16)
      gather<16>(to, from, factor, r);
    else if (r.b == 1)
      gather<1>(to, from, factor, r);
    else
      gather<0>(to, from, factor, r);
  }
}

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
  spread_all(large, small, factor);
}

void gather_checked(const char* op, Queue& q, View<float> small, View<const float> large, float factor) {
  check(op, large.shape, large.b, small.shape, small.b);
  if (small.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::gather2(q, small, large, factor);
  gather_all(small, large, factor);
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
