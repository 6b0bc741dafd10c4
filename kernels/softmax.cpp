#include "kernels/softmax.hpp"

#include <limits>

#include "kernels/vector_math.hpp"

namespace tweedie {
namespace {

constexpr std::int64_t parallel_elements = 1 << 14;

// y may be x. NaN or an infinite maximum makes the whole row NaN.
void softmax_row(float* y, const float* x, int width) {
  float maximum = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : maximum)
  for (int i = 0; i < width; ++i) maximum = x[i] > maximum ? x[i] : maximum;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int i = 0; i < width; ++i) {
    y[i] = fast_exp(x[i] - maximum);
    sum += y[i];
  }
  const float factor = 1.0f / sum;
#pragma omp simd
  for (int i = 0; i < width; ++i) y[i] *= factor;
}

// dx may be dy.
void softmax_backward_row(float* dx, const float* dy, const float* y, int width) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int i = 0; i < width; ++i) sum = multiply_add(dy[i], y[i], sum);
#pragma omp simd
  for (int i = 0; i < width; ++i) dx[i] = y[i] * (dy[i] - sum);
}

template <class T>
void require_planar(const char* op, const View<T>& x) {
  require(x.b == 1, op, ": takes planar views (b = 1), not b = ", x.b);
}

}  // namespace

void softmax(Queue& q, View<float> y, View<const float> x) {
  require_alike("softmax", y, x);
  require_planar("softmax", x);
  if (x.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::softmax(q, y, x);
  const int width = x.W();
  const std::int64_t rows = x.size() / width;
#pragma omp parallel for schedule(static) if (x.size() >= parallel_elements)
  for (std::int64_t row = 0; row < rows; ++row)
    softmax_row(y.data + row * width, x.data + row * width, width);
}

void softmax_backward(Queue& q, View<float> dx, View<const float> dy, View<const float> y) {
  require_alike("softmax_backward", dx, y);
  require_alike("softmax_backward", dy, y);
  require_planar("softmax_backward", y);
  if (y.size() == 0) return;
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::softmax_backward(q, dx, dy, y);
  const int width = y.W();
  const std::int64_t rows = y.size() / width;
#pragma omp parallel for schedule(static) if (y.size() >= parallel_elements)
  for (std::int64_t row = 0; row < rows; ++row)
    softmax_backward_row(dx.data + row * width, dy.data + row * width, y.data + row * width, width);
}

}  // namespace tweedie
