#include "engine/enlargement.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace tweedie {

SparseRows enlargement_rows(Interpolation kind, int factor, int from, int to) {
  SparseRows m{to, from, {0}, {}, {}};
  for (int o = 0; o < to; ++o) {
    std::map<int, double> row;
    if (o < factor * from && kind == Interpolation::nearest) row[o / factor] = 1;
    if (o < factor * from && kind == Interpolation::cubic) {
      const double at = (o + 0.5) / factor - 0.5, left = std::floor(at), t = at - left;
      // The four weights of the cubic with a = -1/2 at distances 1 + t, t, 1 - t, 2 - t.
      const double weights[] = {((-0.5 * t + 1) * t - 0.5) * t, (1.5 * t - 2.5) * t * t + 1,
                                ((-1.5 * t + 2) * t + 0.5) * t, (0.5 * t - 0.5) * t * t};
      for (int k = 0; k < 4; ++k) {
        const int column = int(left) - 1 + k;
        const int folded = ((column % (2 * from)) + 2 * from) % (2 * from);
        row[std::min(folded, 2 * from - 1 - folded)] += weights[k];
      }
    }
    for (const auto& [column, weight] : row)
      if (weight != 0) {
        m.index.push_back(column);
        m.weight.push_back(float(weight));
      }
    m.start.push_back(int(m.index.size()));
  }
  return m;
}

const DeviceRows& Enlargement::rows(Axis1& cached, int from, int to) {
  if (cached.from != from || cached.to != to)
    cached = {from, to, DeviceRows(context_, enlargement_rows(kind_, factor_, from, to))};
  return cached.rows;
}

Tensor Enlargement::apply(const Tensor& y, const Shape& image) {
  const Shape s = y.shape();
  require(s.N == image.N && s.C == image.C, "enlargement: ", s, " to ", image);
  Tensor half = context_.planar({s.N, s.C, image.H, s.W}), x = context_.planar(image);
  axis_filter(context_.queue, half, y, rows(along_h_, s.H, image.H).view(), Axis::rows);
  axis_filter(context_.queue, x, half, rows(along_w_, s.W, image.W).view(), Axis::columns);
  return x;
}

}  // namespace tweedie
