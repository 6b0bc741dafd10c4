// The singular value decomposition of a small matrix.
#pragma once

#include <vector>

namespace tweedie {

/// A = U diag(s) V^T of an m x n matrix, row-major, in double.
struct Svd {
  int m = 0, n = 0, rank = 0;  ///< rank: how many s are more than 1e-13 of the largest; the others are 0
  std::vector<double> U;       ///< m x min(m, n): orthonormal columns
  std::vector<double> s;       ///< min(m, n) values, the largest first
  std::vector<double> V;       ///< n x n: orthogonal, its first columns belong to s
};

/// By Jacobi's rotations from one side (Hestenes 1958; Demmel & Veselic 1992), rows of A being turned until
/// all are orthogonal to 1e-14; what the rank lacks is completed by Gram and Schmidt. About 10 min(m, n)^2
/// max(m, n) products a sweep, some 8 sweeps. Errors: a size that does not fit `a`, values that are not
/// finite.
Svd singular_values(const std::vector<double>& a, int m, int n);

}  // namespace tweedie
