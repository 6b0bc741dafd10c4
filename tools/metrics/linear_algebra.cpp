#include "tools/metrics/linear_algebra.hpp"

#include <algorithm>

#include "kernels/error.hpp"

// Fortran's calling convention: everything by address, column-major. The trailing lengths of character
// arguments are what gfortran passes.
extern "C" {
void dgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const double* alpha, const double* a, const int* lda, const double* b, const int* ldb,
            const double* beta, double* c, const int* ldc, std::size_t, std::size_t);
void dsyevd_(const char* jobz, const char* uplo, const int* n, double* a, const int* lda, double* w,
             double* work, const int* lwork, int* iwork, const int* liwork, int* info, std::size_t,
             std::size_t);
void dgesdd_(const char* jobz, const int* m, const int* n, double* a, const int* lda, double* s, double* u,
             const int* ldu, double* vt, const int* ldvt, double* work, const int* lwork, int* iwork,
             int* info, std::size_t);
}

namespace tweedie::metrics {
namespace {

// A row-major matrix is the column-major one of its transpose: c = op(a) op(b) is c^T = op(b)^T op(a)^T.
void multiply(Matrix& c, const char* op_b, const Matrix& b, const char* op_a, const Matrix& a, int inner) {
  if (c.data.empty() || inner == 0) return;
  const double one = 1, zero = 0;
  dgemm_(op_b, op_a, &c.columns, &c.rows, &inner, &one, b.data.data(), &b.columns, a.data.data(), &a.columns,
         &zero, c.data.data(), &c.columns, 1, 1);
}

}  // namespace

Matrix product_transposed(const Matrix& a, const Matrix& b) {
  require(a.columns == b.columns, "product of ", a.rows, "x", a.columns, " and the transpose of ", b.rows,
          "x", b.columns);
  Matrix c(a.rows, b.rows);
  multiply(c, "T", b, "N", a, a.columns);
  return c;
}

Matrix transposed_product(const Matrix& a, const Matrix& b) {
  require(a.rows == b.rows, "product of the transpose of ", a.rows, "x", a.columns, " and ", b.rows, "x",
          b.columns);
  Matrix c(a.columns, b.columns);
  multiply(c, "N", b, "T", a, a.rows);
  return c;
}

std::vector<double> symmetric_eigenvalues(Matrix a, Matrix* vectors) {
  require(a.rows == a.columns, "eigenvalues of a ", a.rows, "x", a.columns, " matrix");
  std::vector<double> values(std::size_t(a.rows));
  if (values.empty()) return values;
  const char* const job = vectors ? "V" : "N";
  int info = 0, work_size = -1, integers_size = -1, integers_wanted = 0;
  double work_wanted = 0;
  dsyevd_(job, "U", &a.rows, a.data.data(), &a.columns, values.data(), &work_wanted, &work_size,
          &integers_wanted, &integers_size, &info, 1, 1);
  std::vector<double> work(std::size_t(std::max(work_wanted, 1.0)));
  std::vector<int> integers(std::size_t(std::max(integers_wanted, 1)));
  work_size = int(work.size());
  integers_size = int(integers.size());
  dsyevd_(job, "U", &a.rows, a.data.data(), &a.columns, values.data(), work.data(), &work_size,
          integers.data(), &integers_size, &info, 1, 1);
  require(info == 0, "LAPACK's dsyevd found no eigenvalues of a ", a.rows, "x", a.columns, " matrix (info ",
          info, "): are all its values finite?");
  if (vectors) *vectors = std::move(a);
  return values;
}

std::vector<double> singular_values(Matrix a) {
  std::vector<double> values(std::size_t(std::min(a.rows, a.columns)));
  if (values.empty()) return values;
  std::vector<int> integers(8 * values.size());
  int info = 0, work_size = -1;
  const int one = 1;
  double work_wanted = 0;
  dgesdd_("N", &a.columns, &a.rows, a.data.data(), &a.columns, values.data(), nullptr, &one, nullptr, &one,
          &work_wanted, &work_size, integers.data(), &info, 1);
  std::vector<double> work(std::size_t(std::max(work_wanted, 1.0)));
  work_size = int(work.size());
  dgesdd_("N", &a.columns, &a.rows, a.data.data(), &a.columns, values.data(), nullptr, &one, nullptr, &one,
          work.data(), &work_size, integers.data(), &info, 1);
  require(info == 0, "LAPACK's dgesdd found no singular values of a ", a.rows, "x", a.columns,
          " matrix (info ", info, "): are all its values finite?");
  return values;
}

}  // namespace tweedie::metrics
