#include "kernels/matmul.hpp"

#include <dnnl.h>
#include <omp.h>

#include <limits>

#include "kernels/for_tasks.hpp"

namespace tweedie {
namespace {

struct Product {
  int M, N, K;  ///< c is M x N, op(a) M x K, op(b) K x N
};

template <class T>
void check_strides(const char* name, const Matrices<T>& m) {
  require(m.rows >= 0 && m.columns >= 0, "matmul: ", name, ": negative size ", m.rows, " x ", m.columns);
  require(m.row_stride >= m.columns && m.row_stride <= std::numeric_limits<int>::max(), "matmul: ", name,
          ": row stride ", m.row_stride, ", expected at least ", m.columns, " columns and less than 2^31");
  require(m.batch_stride >= 0, "matmul: ", name, ": negative batch stride ", m.batch_stride);
}

Product check(const Matrices<float>& c, const Matrices<const float>& a, const Matrices<const float>& b,
              int batch) {
  check_strides("c", c);
  check_strides("a", a);
  check_strides("b", b);
  require(!c.transposed, "matmul: c: a transposed result is not supported");
  require(batch >= 0, "matmul: batch ", batch, ", expected 0 or more");
  require(batch <= 1 || c.batch_stride > 0, "matmul: c: batch stride 0 with ", batch, " matrices");
  const int a_rows = a.transposed ? a.columns : a.rows, a_columns = a.transposed ? a.rows : a.columns;
  const int b_rows = b.transposed ? b.columns : b.rows, b_columns = b.transposed ? b.rows : b.columns;
  require(a_rows == c.rows && b_columns == c.columns && a_columns == b_rows, "matmul: shapes differ: c ",
          c.rows, " x ", c.columns, ", op(a) ", a_rows, " x ", a_columns, ", op(b) ", b_rows, " x ",
          b_columns);
  return {c.rows, c.columns, a_columns};
}

// dnnl_sgemm rather than the matmul primitive: measured on attention (T = 64 .. 1024, 64 channels, 8 and 16
// heads) and on linear layers (1 or 4 rows, 512 x 1024), the primitive of oneDNN 2.6 runs this same gemm and
// is at best as fast; sgemm also needs no plan and is the same call in oneDNN 2 and 3.
void multiply(const Product& p, const Matrices<float>& c, const Matrices<const float>& a,
              const Matrices<const float>& b, std::int64_t k, float alpha, float beta) {
  const dnnl_status_t status =
      dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', p.M, p.N, p.K, alpha,
                 a.data + k * a.batch_stride, a.row_stride, b.data + k * b.batch_stride, b.row_stride, beta,
                 c.data + k * c.batch_stride, c.row_stride);
  require(status == dnnl_success, "matmul: oneDNN: dnnl_sgemm: status ", int(status), " for M = ", p.M,
          ", N = ", p.N, ", K = ", p.K);
}

}  // namespace

void matmul(Queue& q, Matrices<float> c, Matrices<const float> a, Matrices<const float> b, int batch,
            float alpha, float beta) {
  const Product p = check(c, a, b, batch);
  if (p.M == 0 || p.N == 0 || batch == 0) return;
  require(p.K > 0, "matmul: the inner dimension is 0");
  if constexpr (built_with_cuda)
    if (q.on_cuda()) return cuda::matmul(q, c, a, b, batch, alpha, beta);

  // One thread per matrix where the batch feeds all threads or a matrix is too small to share (8 million
  // products take about 0.1 ms on one core); otherwise the threads share each matrix inside oneDNN.
  constexpr double too_small_to_share = 8e6;
  const bool whole_matrices =
      batch > 1 && (batch >= omp_get_max_threads() || double(p.M) * p.N * p.K < too_small_to_share);
  if (!whole_matrices) {
    for (int k = 0; k < batch; ++k) multiply(p, c, a, b, k, alpha, beta);
    return;
  }
  for_tasks(batch, [&](std::int64_t k, int) { multiply(p, c, a, b, k, alpha, beta); });
}

}  // namespace tweedie
