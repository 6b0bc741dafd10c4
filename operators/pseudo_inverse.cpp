#include "operators/pseudo_inverse.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

using Size = std::size_t;

// A symmetric matrix of which only entries up to `width` from the diagonal are not 0; the lower part.
struct Banded {
  int rows = 0, width = 0;
  std::vector<double> values;
  double& at(int i, int j) { return values[Size(i) * Size(width + 1) + Size(i - j)]; }
  double at(int i, int j) const { return values[Size(i) * Size(width + 1) + Size(i - j)]; }
  int first(int i) const { return std::max(0, i - width); }
};

// R R^T, from the columns of R (rows of its transpose).
Banded gram(const SparseRows& t) {
  Banded g{t.columns, 0, {}};
  for (int c = 0; c < t.rows; ++c) {
    const Size begin = Size(t.start[Size(c)]), end = Size(t.start[Size(c) + 1]);
    if (begin < end) g.width = std::max(g.width, t.index[end - 1] - t.index[begin]);
  }
  g.values.assign(Size(g.rows) * Size(g.width + 1), 0.0);
  for (int c = 0; c < t.rows; ++c)
    for (Size a = Size(t.start[Size(c)]); a < Size(t.start[Size(c) + 1]); ++a)
      for (Size b = Size(t.start[Size(c)]); b <= a; ++b)
        g.at(t.index[a], t.index[b]) += double(t.weight[a]) * double(t.weight[b]);
  return g;
}

// G = L L^T in place.
void factorise(Banded& g) {
  double largest = 0;
  for (int i = 0; i < g.rows; ++i) largest = std::max(largest, g.at(i, i));
  for (int i = 0; i < g.rows; ++i) {
    for (int j = g.first(i); j <= i; ++j) {
      double sum = g.at(i, j);
      for (int k = std::max(g.first(i), g.first(j)); k < j; ++k) sum -= g.at(i, k) * g.at(j, k);
      if (j < i) {
        g.at(i, j) = sum / g.at(j, j);
      } else {
        require(sum > 1e-10 * largest, "pseudo-inverse: row ", i, " of ", g.rows,
                " depends on those before it: no pseudo-inverse of this form");
        g.at(i, i) = std::sqrt(sum);
      }
    }
  }
}

void solve(const Banded& l, std::vector<double>& x) {
  for (int i = 0; i < l.rows; ++i) {
    for (int k = l.first(i); k < i; ++k) x[Size(i)] -= l.at(i, k) * x[Size(k)];
    x[Size(i)] /= l.at(i, i);
  }
  for (int i = l.rows - 1; i >= 0; --i) {
    x[Size(i)] /= l.at(i, i);
    for (int k = l.first(i); k < i; ++k) x[Size(k)] -= l.at(i, k) * x[Size(i)];
  }
}

}  // namespace

SparseRows pseudo_inverse_rows(const SparseRows& r) {
  const SparseRows t = r.transposed();
  Banded l = gram(t);
  factorise(l);
  SparseRows inverse{r.columns, r.rows, {0}, {}, {}};
  std::vector<double> row;
  for (int c = 0; c < r.columns; ++c) {  // row c of R^+ is (R R^T)^-1 times column c of R
    row.assign(Size(r.rows), 0.0);
    for (Size a = Size(t.start[Size(c)]); a < Size(t.start[Size(c) + 1]); ++a)
      row[Size(t.index[a])] = double(t.weight[a]);
    solve(l, row);
    double largest = 0;
    for (const double value : row) largest = std::max(largest, std::abs(value));
    for (int i = 0; i < r.rows; ++i)
      if (std::abs(row[Size(i)]) > 1e-9 * largest) {
        inverse.index.push_back(i);
        inverse.weight.push_back(float(row[Size(i)]));
      }
    inverse.start.push_back(int(inverse.index.size()));
  }
  return inverse;
}

}  // namespace tweedie
