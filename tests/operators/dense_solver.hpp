// A linear operator as a matrix in double, and the systems of its exact steps solved densely.
#pragma once

#include <cmath>
#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "operators/svd.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {

/// A of single images, by its columns: what the operator makes of each unit image, in float. Singular values
/// below 1e-6 of the largest are rounding and are taken away: a tiny rho would make them count.
class DenseOperator {
 public:
  DenseOperator(Context& context, LinearOperator& op, Shape image) : columns_(int(image.sample())) {
    image.N = 1;
    const Shape measured = op.output_shape(image);
    rows_ = int(measured.size());
    values_.resize(std::size_t(rows_) * std::size_t(columns_));
    std::vector<float> unit(std::size_t(columns_), 0.f);
    for (int c = 0; c < columns_; ++c) {
      unit[std::size_t(c)] = 1;
      const std::vector<float> column = context.download(op.apply(context.upload(image, unit)));
      unit[std::size_t(c)] = 0;
      for (int r = 0; r < rows_; ++r) at(r, c) = double(column[std::size_t(r)]);
    }
    remove_rounding();
  }
  int rows() const { return rows_; }
  int columns() const { return columns_; }
  double at(int r, int c) const { return values_[std::size_t(r) * std::size_t(columns_) + std::size_t(c)]; }

  /// argmin |w (y - A x)|^2 + rho |x - x0|^2 of one sample: (A^T W^2 A + rho) (x - x0) = A^T W^2 (y - A x0).
  std::vector<double> proximal(const float* x0, const float* y, const float* w, double rho) const {
    std::vector<double> b(std::size_t(columns_), 0.0);
    std::vector<double> M(std::size_t(columns_) * std::size_t(columns_), 0.0);
    for (int r = 0; r < rows_; ++r) {
      const double weight = w ? double(w[r]) * double(w[r]) : 1.0;
      double misfit = double(y[r]);
      for (int c = 0; c < columns_; ++c) misfit -= at(r, c) * double(x0[c]);
      for (int c = 0; c < columns_; ++c) {
        b[std::size_t(c)] += weight * at(r, c) * misfit;
        for (int d = 0; d < columns_; ++d)
          M[std::size_t(c) * std::size_t(columns_) + std::size_t(d)] += weight * at(r, c) * at(r, d);
      }
    }
    std::vector<double> x = solve(M, b, rho);
    for (int c = 0; c < columns_; ++c) x[std::size_t(c)] += double(x0[c]);
    return x;
  }

  /// (r2 A A^T + s2)^-1 v.
  std::vector<double> dual_solve(const float* v, double r2, double s2) const {
    std::vector<double> M(std::size_t(rows_) * std::size_t(rows_), 0.0);
    for (int i = 0; i < rows_; ++i)
      for (int j = 0; j < rows_; ++j)
        for (int c = 0; c < columns_; ++c)
          M[std::size_t(i) * std::size_t(rows_) + std::size_t(j)] += r2 * at(i, c) * at(j, c);
    return solve(M, {v, v + rows_}, s2);
  }

 private:
  double& at(int r, int c) { return values_[std::size_t(r) * std::size_t(columns_) + std::size_t(c)]; }

  void remove_rounding() {
    const Svd svd = singular_values(values_, rows_, columns_);
    const std::size_t m = std::size_t(rows_), n = std::size_t(columns_), least = svd.s.size();
    for (std::size_t k = 0; k < least; ++k)
      if (svd.s[k] < 1e-6 * svd.s[0])
        for (std::size_t r = 0; r < m; ++r)
          for (std::size_t c = 0; c < n; ++c)
            values_[r * n + c] -= svd.U[r * least + k] * svd.s[k] * svd.V[c * n + k];
  }

  // (M + shift) x = b by Cholesky's factors, twice improved: rho of 1e-8 leaves 8 digits else.
  static std::vector<double> solve(std::vector<double> M, const std::vector<double>& b, double shift) {
    const std::size_t n = b.size();
    for (std::size_t i = 0; i < n; ++i) M[i * n + i] += shift;
    std::vector<double> L = M;
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t i = j; i < n; ++i) {
        double sum = L[i * n + j];
        for (std::size_t k = 0; k < j; ++k) sum -= L[i * n + k] * L[j * n + k];
        L[i * n + j] = i == j ? std::sqrt(sum) : sum / L[j * n + j];
      }
    std::vector<double> x(n, 0.0);
    for (int pass = 0; pass < 3; ++pass) {
      std::vector<double> r = b;
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t k = 0; k < n; ++k) r[i] -= M[i * n + k] * x[k];
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t k = 0; k < i; ++k) r[i] -= L[i * n + k] * r[k];
        r[i] /= L[i * n + i];
      }
      for (std::size_t i = n; i-- > 0;) {
        for (std::size_t k = i + 1; k < n; ++k) r[i] -= L[k * n + i] * r[k];
        r[i] /= L[i * n + i];
      }
      for (std::size_t i = 0; i < n; ++i) x[i] += r[i];
    }
    return x;
  }

  int rows_ = 0, columns_;
  std::vector<double> values_;
};

}  // namespace tweedie::test
