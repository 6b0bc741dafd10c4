#include "operators/tilt_map.hpp"

#include <algorithm>

#include "kernels/error.hpp"
#include "operators/draw.hpp"

namespace tweedie {
namespace {

constexpr int side = 64, half = side / 2;  // of a patch
constexpr int published_patches = 500, published_side = 256;

/// Rows or columns from which patches begin.
struct Range {
  int first, last;
  int count() const { return last - first + 1; }
  /// Inside an axis of n pixels as published (the last place that would fit is left out), or wherever a patch
  /// reaches into it.
  Range(int n, bool inside) : first(inside ? 0 : 1 - side), last(inside ? n - side - 1 : n - 1) {}
};

/// Patches for which as many lie over a pixel as in the middle of a published map.
int as_dense_as_published(const Range& rows, const Range& columns) {
  const double places = published_side - side;
  const double density = published_patches / (places * places);
  return std::max(1, int(density * rows.count() * columns.count() + 0.5));
}

}  // namespace

std::vector<float> tilt_map(int H, int W, std::uint64_t seed, const TiltMapOptions& o) {
  require(H >= 1 && W >= 1, "tilt map: ", H, " x ", W, " pixels; expected at least one");
  require(o.patches >= 0 && o.clip >= 0 && o.weakest >= 0 && o.weakest <= o.strongest,
          "tilt map: ", o.patches, " patches of strength ", o.weakest, " to ", o.strongest, ", clipped at ",
          o.clip, "; expected none below 0 and the weakest first");
  const bool inside = H >= 2 * side && W >= 2 * side;  // the middle is then reached from everywhere
  const Range rows(H, inside), columns(W, inside);
  const int patches = o.patches > 0 ? o.patches : as_dense_as_published(rows, columns);
  Draw draw(seed);
  std::vector<double> map(2 * std::size_t(H) * std::size_t(W), 0.0), patch(std::size_t(side) * side);
  for (int p = 0; p < patches; ++p) {
    const int top = draw.whole(rows.first, rows.last), left = draw.whole(columns.first, columns.last);
    const double strength = draw.uniform(o.weakest, o.strongest);
    for (int channel = 0; channel < 2; ++channel) {
      for (std::size_t i = 0; i < patch.size(); i += 2) {
        const philox::Pair pair = draw.normals();
        patch[i] = double(pair.first), patch[i + 1] = double(pair.second);
      }
      smooth(patch, side, 1);
      for (int i = std::max(0, -top); i < std::min(side, H - top); ++i)
        for (int j = std::max(0, -left); j < std::min(side, W - left); ++j)
          map[(std::size_t(channel) * std::size_t(H) + std::size_t(top + i)) * std::size_t(W) +
              std::size_t(left + j)] += strength * patch[std::size_t(i * side + j)];
    }
  }
  std::vector<float> values;
  for (const double v : map) values.push_back(float(std::clamp(v, -o.clip, o.clip)));
  return values;
}

}  // namespace tweedie
