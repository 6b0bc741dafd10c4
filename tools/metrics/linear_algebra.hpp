// Dense linear algebra in double, by LAPACK: what distances of distributions take.
#pragma once

#include <cstddef>
#include <vector>

namespace tweedie::metrics {

/// A matrix in double, row-major.
struct Matrix {
  int rows = 0, columns = 0;
  std::vector<double> data;
  Matrix() = default;
  Matrix(int r, int c) : rows(r), columns(c), data(std::size_t(r) * std::size_t(c)) {}
  double& operator()(int i, int j) { return data[std::size_t(i) * std::size_t(columns) + std::size_t(j)]; }
  double operator()(int i, int j) const {
    return data[std::size_t(i) * std::size_t(columns) + std::size_t(j)];
  }
};

/// a b^T. Errors: the rows of a and of b differ in length.
Matrix product_transposed(const Matrix& a, const Matrix& b);
/// a^T b. Errors: a and b differ in their number of rows.
Matrix transposed_product(const Matrix& a, const Matrix& b);

/// Eigenvalues of a symmetric matrix, ascending; row k of `vectors`, where asked for, is the k-th
/// eigenvector. Only one triangle is read. Errors: not square, no convergence.
std::vector<double> symmetric_eigenvalues(Matrix a, Matrix* vectors = nullptr);
/// Singular values, descending. Errors: no convergence.
std::vector<double> singular_values(Matrix a);

}  // namespace tweedie::metrics
