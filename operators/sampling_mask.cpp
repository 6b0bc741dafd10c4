#include "operators/sampling_mask.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

/// Uniform in (0, 1); the standard's distributions differ between libraries.
double uniform(std::mt19937_64& generator) { return (double(generator() >> 11) + 0.5) * 0x1p-53; }

/// The part [first, first + count) of an axis about frequency 0.
struct Centre {
  int first, count;
  Centre(int side, double fraction) : first(0), count(int(std::lround(fraction * side))) {
    first = side / 2 - count / 2;
  }
  bool has(int i) const { return i >= first && i < first + count; }
};

/// Squared distance from frequency 0 in standard deviations of the Gaussian patterns.
double squared_distance(int i, int side) {
  const double d = 6.0 * (i - side / 2) / side;
  return d * d;
}

/// Sets `count` entries of those at `free`, drawn one after another with odds exp(-cost), none twice: those
/// with the smallest of the exponential variables with these rates (Efraimidis & Spirakis 2006).
void draw(std::vector<float>& mask, const std::vector<int>& free, const std::vector<double>& cost,
          std::int64_t count, std::mt19937_64& generator) {
  std::vector<double> key;
  for (const double c : cost) key.push_back(std::log(-std::log(uniform(generator))) + c);
  std::vector<std::size_t> order(free.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return key[a] < key[b]; });
  for (std::size_t i = 0; i < std::size_t(count); ++i) mask[std::size_t(free[order[i]])] = 1;
}

/// `count` of those at `free`, evenly spread.
void spread(std::vector<float>& mask, const std::vector<int>& free, std::int64_t count,
            std::mt19937_64& generator) {
  const double offset = uniform(generator),
               step = double(free.size()) / double(std::max<std::int64_t>(count, 1));
  for (std::int64_t i = 0; i < count; ++i)
    mask[std::size_t(free[std::size_t((double(i) + offset) * step)])] = 1;
}

}  // namespace

std::vector<float> sampling_mask(int H, int W, const Sampling& s) {
  const bool gaussian = s.pattern == "gaussian1d" || s.pattern == "gaussian2d";
  const bool planar = s.pattern == "uniform2d" || s.pattern == "gaussian2d";
  require(gaussian || planar || s.pattern == "uniform1d" || s.pattern == "equispaced1d", "MRI: mask '",
          s.pattern, "'; expected uniform1d, gaussian1d, equispaced1d, uniform2d or gaussian2d");
  require(s.acceleration >= 1 && std::isfinite(s.acceleration), "MRI: an acceleration of ", s.acceleration,
          "; expected 1 or more");
  require(s.centre >= 0 && s.centre <= 1, "MRI: a centre of ", s.centre, "; expected a fraction, 0 to 1");
  // A mask of columns is drawn as one of a single row.
  const int rows = planar ? H : 1;
  const Centre centre_h(rows, planar ? s.centre : 1), centre_w(W, s.centre);
  const std::int64_t all = std::int64_t(rows) * W, wanted = std::llround(double(all) / s.acceleration),
                     centre = std::int64_t(centre_h.count) * centre_w.count;
  require(wanted > 0, "MRI: an acceleration of ", s.acceleration, " leaves nothing of ", all,
          planar ? " entries" : " columns");
  require(centre <= wanted, "MRI: a centre of ", centre, planar ? " entries" : " columns",
          " is more than the ", wanted, " that an acceleration of ", s.acceleration, " leaves of ", all);
  std::vector<float> mask(std::size_t(all), 0.f);
  std::vector<int> free;
  std::vector<double> cost;
  for (int h = 0; h < rows; ++h)
    for (int w = 0; w < W; ++w) {
      if (centre_h.has(h) && centre_w.has(w)) {
        mask[std::size_t(h) * std::size_t(W) + std::size_t(w)] = 1;
        continue;
      }
      free.push_back(h * W + w);
      cost.push_back(gaussian ? (squared_distance(h, rows) + squared_distance(w, W)) / 2 : 0);
    }
  std::mt19937_64 generator(s.seed);
  if (s.pattern == "equispaced1d")
    spread(mask, free, wanted - centre, generator);
  else
    draw(mask, free, cost, wanted - centre, generator);
  if (planar) return mask;
  std::vector<float> columns;
  for (int h = 0; h < H; ++h) columns.insert(columns.end(), mask.begin(), mask.end());
  return columns;
}

}  // namespace tweedie
