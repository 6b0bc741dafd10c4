#include "operators/tilt_map.hpp"

#include <algorithm>

#include "kernels/error.hpp"
#include "operators/draw.hpp"

namespace tweedie {
namespace {

constexpr int side = 64;  // of a patch
constexpr int reach = 3;  // of its smoothing
constexpr int published_patches = 500, published_side = 256;

/// Rows or columns from which patches begin.
struct Range {
  int first, last;
  int count() const { return last - first + 1; }
  /// Inside an axis of n pixels as published (the last place that would fit is left out), or wherever a patch
  /// reaches into it.
  Range(int n, bool inside) : first(inside ? 0 : 1 - side), last(inside ? n - side - 1 : n - 1) {}
};

/// The rows or columns of a patch from `begin` on that show in an axis of n pixels, and as many around them
/// as smoothing reaches.
struct Part {
  int shown, shown_end, first, end;
  Part(int begin, int n)
      : shown(std::max(0, -begin)),
        shown_end(std::min(side, n - begin)),
        first(std::max(0, shown - reach)),
        end(std::min(side, shown_end + reach)) {}
  int count() const { return end - first; }
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
  std::vector<double> map(2 * std::size_t(H) * std::size_t(W), 0.0), patch;
  for (int p = 0; p < patches; ++p) {
    const int top = draw.whole(rows.first, rows.last), left = draw.whole(columns.first, columns.last);
    const double strength = draw.uniform(o.weakest, o.strongest);
    const Part down(top, H), across(left, W);  // nobody sees the rest: it is not drawn
    patch.resize(std::size_t(down.count()) * std::size_t(across.count()));
    for (int channel = 0; channel < 2; ++channel) {
      for (std::size_t i = 0; i < patch.size(); i += 2) {
        const philox::Pair pair = draw.normals();
        patch[i] = double(pair.first);
        if (i + 1 < patch.size()) patch[i + 1] = double(pair.second);
      }
      smooth(patch, down.count(), across.count(), 1);
      for (int i = down.shown; i < down.shown_end; ++i)
        for (int j = across.shown; j < across.shown_end; ++j)
          map[(std::size_t(channel) * std::size_t(H) + std::size_t(top + i)) * std::size_t(W) +
              std::size_t(left + j)] +=
              strength * patch[std::size_t((i - down.first) * across.count() + j - across.first)];
    }
  }
  std::vector<float> values;
  for (const double v : map) values.push_back(float(std::clamp(v, -o.clip, o.clip)));
  return values;
}

}  // namespace tweedie
