#include "operators/svd.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

using Size = std::size_t;

/// Rows of doubles, one after another.
struct Rows {
  Rows(int rows, int columns) : count(rows), length(columns), values(Size(rows) * Size(columns), 0.0) {}
  double* operator[](int i) { return values.data() + Size(i) * Size(length); }
  const double* operator[](int i) const { return values.data() + Size(i) * Size(length); }
  int count, length;
  std::vector<double> values;
};

double dot(const double* a, const double* b, int n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void turn(double* a, double* b, int n, double c, double s) {
#pragma omp simd
  for (int i = 0; i < n; ++i) {
    const double x = a[i], y = b[i];
    a[i] = c * x - s * y;
    b[i] = s * x + c * y;
  }
}

/// Makes rows i and j of B orthogonal; W follows. True if they were not already. `negligible`: a squared norm
/// that counts as 0.
bool make_orthogonal(Rows& B, Rows& W, int i, int j, double negligible) {
  const double ii = dot(B[i], B[i], B.length), jj = dot(B[j], B[j], B.length);
  if (ii <= negligible || jj <= negligible) return false;
  const double ij = dot(B[i], B[j], B.length);
  if (std::abs(ij) <= 1e-14 * std::sqrt(ii * jj)) return false;
  const double zeta = (jj - ii) / (2 * ij);
  const double t = std::copysign(1.0, zeta) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
  const double c = 1 / std::sqrt(1 + t * t);
  turn(B[i], B[j], B.length, c, c * t);
  turn(W[i], W[j], W.length, c, c * t);
  return true;
}

/// Rows of B become orthogonal, W B unchanged in the sense that B = W B_0. Every sweep meets each pair once,
/// in rounds of pairs that have no row in common (a tournament), so that threads share a round and the result
/// does not depend on their number.
void make_orthogonal(Rows& B, Rows& W) {
  double norm = 0;
  for (const double value : B.values) norm += value * value;
  const double negligible = 1e-28 * norm;
  const int players = B.count + B.count % 2;
  std::vector<int> seat(Size(players), 0);
  std::iota(seat.begin(), seat.end(), 0);
  for (int sweep = 0; sweep < 60; ++sweep) {
    int turned = 0;
    for (int round = 1; round < players; ++round) {
#pragma omp parallel for schedule(static) reduction(+ : turned) if (B.values.size() >= 16384)
      for (int k = 0; k < players / 2; ++k) {
        const int i = std::min(seat[Size(k)], seat[Size(players - 1 - k)]);
        const int j = std::max(seat[Size(k)], seat[Size(players - 1 - k)]);
        if (j < B.count && make_orthogonal(B, W, i, j, negligible)) ++turned;
      }
      std::rotate(seat.begin() + 1, seat.end() - 1, seat.end());
    }
    if (turned == 0) return;
  }
  throw Error("singular values: 60 sweeps of rotations did not suffice");
}

/// Rows from `known` on become orthonormal to those before and to each other: of the unit vectors, always the
/// one that is least like what is there.
void complete(Rows& Q, int known) {
  std::vector<double> covered(Size(Q.length), 0.0);  // squared length of each unit vector's projection
  const auto cover = [&](int row) {
    for (int k = 0; k < Q.length; ++k) covered[Size(k)] += Q[row][k] * Q[row][k];
  };
  for (int row = 0; row < known; ++row) cover(row);
  for (int row = known; row < Q.count; ++row) {
    const auto least = std::min_element(covered.begin(), covered.end()) - covered.begin();
    std::fill_n(Q[row], Q.length, 0.0);
    Q[row][least] = 1;
    for (int pass = 0; pass < 2; ++pass)  // twice is enough (Kahan)
      for (int other = 0; other < row; ++other) {
        const double along = dot(Q[row], Q[other], Q.length);
        for (int k = 0; k < Q.length; ++k) Q[row][k] -= along * Q[other][k];
      }
    const double length = std::sqrt(dot(Q[row], Q[row], Q.length));
    for (int k = 0; k < Q.length; ++k) Q[row][k] /= length;
    cover(row);
  }
}

std::vector<double> transposed(const Rows& rows, int columns) {
  std::vector<double> out(Size(rows.length) * Size(columns));
  for (int i = 0; i < columns; ++i)
    for (int k = 0; k < rows.length; ++k) out[Size(k) * Size(columns) + Size(i)] = rows[i][k];
  return out;
}

}  // namespace

Svd singular_values(const std::vector<double>& a, int m, int n) {
  require(m > 0 && n > 0 && a.size() == Size(m) * Size(n), "singular values: ", a.size(), " values for ", m,
          "x", n);
  require(std::all_of(a.begin(), a.end(), [](double v) { return std::isfinite(v); }),
          "singular values: the matrix holds a value that is not finite");
  // The shorter side's vectors are turned: W A (or W A^T) has orthogonal rows s_i v_i (or s_i u_i).
  const bool wide = m <= n;
  Rows B(wide ? m : n, wide ? n : m), W(B.count, B.count);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) B[wide ? i : j][wide ? j : i] = a[Size(i) * Size(n) + Size(j)];
  for (int i = 0; i < B.count; ++i) W[i][i] = 1;
  make_orthogonal(B, W);

  std::vector<double> length;
  for (int i = 0; i < B.count; ++i) length.push_back(std::sqrt(dot(B[i], B[i], B.length)));
  std::vector<int> order(Size(B.count), 0);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int i, int j) { return length[Size(i)] > length[Size(j)]; });
  Svd svd{m, n, 0, {}, {}, {}};
  Rows large(wide ? n : B.count, B.length), small(B.count, B.count);
  for (int i = 0; i < B.count; ++i) {
    const int from = order[Size(i)];
    const double s = length[Size(from)];
    std::copy_n(W[from], B.count, small[i]);
    const bool counts = s > 1e-13 * length[Size(order[0])];
    svd.s.push_back(counts ? s : 0);
    if (!counts) continue;
    ++svd.rank;
    for (int k = 0; k < B.length; ++k) large[i][k] = B[from][k] / s;
  }
  complete(large, svd.rank);
  svd.U = wide ? transposed(small, m) : transposed(large, n);
  svd.V = wide ? transposed(large, n) : transposed(small, n);
  return svd;
}

}  // namespace tweedie
