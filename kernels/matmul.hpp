// Batched matrix product: the seam to oneDNN and cuBLAS.
#pragma once

#include <cstdint>

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// A batch of row-major matrices in device memory: element (i, j) of matrix k is
/// data[k * batch_stride + i * row_stride + j].
template <class T>
struct Matrices {
  T* data = nullptr;
  int rows = 0, columns = 0;
  std::int64_t row_stride = 0, batch_stride = 0;
  bool transposed = false;  ///< use the transpose (rows and columns describe the stored matrix)
};

/// c = alpha op(a) op(b) + beta c for each of `batch` matrices; beta = 0 does not read c. True fp32 products
/// and sums. The matrices of one batch may interleave (the heads of an attention layer do); batch_stride 0 of
/// a or b uses one matrix for the whole batch. c may overlap neither a nor b.
/// Errors: shapes that do not fit, an empty inner dimension, c transposed, a row stride shorter than a row or
/// beyond 2^31 - 1, a negative batch stride, batch stride 0 of c with more than one matrix.
void matmul(Queue& q, Matrices<float> c, Matrices<const float> a, Matrices<const float> b, int batch = 1,
            float alpha = 1.f, float beta = 0.f);

namespace cuda {
void matmul(Queue& q, Matrices<float> c, Matrices<const float> a, Matrices<const float> b, int batch,
            float alpha, float beta);
}  // namespace cuda

}  // namespace tweedie
