#include <algorithm>
#include <cmath>

#include "kernels/error.hpp"
#include "tools/arrays.hpp"
#include "tools/train/sources.hpp"

namespace tweedie {
namespace {

/// How the array's axes are read.
struct Layout {
  std::size_t count = 0, channels = 1, height = 0, width = 0;
  bool channels_last = false;
};

Layout layout_of(const Extents& shape, const std::string& name) {
  const auto side = [&](std::size_t axis) { return std::size_t(shape[axis]); };
  const auto few = [](std::size_t n) { return n >= 1 && n <= 4; };
  require(shape.size() == 3 || shape.size() == 4, name, ": an array of shape ", to_string(shape),
          ", expected (N, H, W), (N, C, H, W) or (N, H, W, C)");
  if (shape.size() == 3) return {side(0), 1, side(1), side(2), false};
  if (few(side(3)) && !few(side(1))) return {side(0), side(3), side(1), side(2), true};
  return {side(0), side(1), side(2), side(3), false};
}

std::pair<double, double> range_of(const Array& array, const DataOptions& options) {
  if (options.range) return *options.range;
  if (array.type == "|u1") return {0, 255};
  const auto [low, high] = std::minmax_element(array.values.begin(), array.values.end());
  require(*low < *high, array.name, ": all numbers have the value ", *low);
  return {double(*low), double(*high)};
}

}  // namespace

PictureSet open_array(const DataOptions& options) {
  const Array array = read_array(options.source, options.dataset);
  const Layout layout = layout_of(array.shape, array.name);
  const std::size_t plane = layout.height * layout.width, item = layout.channels * plane;
  require(layout.count > 0 && item > 0 && layout.height <= 32768 && layout.width <= 32768, array.name,
          ": an array of shape ", to_string(array.shape), " holds no picture");
  for (std::size_t i = 0; i < array.values.size(); ++i)
    require(std::isfinite(array.values[i]), array.name, ": ", array.values[i], " at element ", i);
  const auto [low, high] = range_of(array, options);
  PictureSet set;
  set.pad = true;
  for (std::size_t n = 0; n < layout.count; ++n) {
    std::vector<float> samples(item);
    for (std::size_t c = 0; c < layout.channels; ++c)
      for (std::size_t i = 0; i < plane; ++i) {
        const std::size_t at = n * item + (layout.channels_last ? i * layout.channels + c : c * plane + i);
        samples[c * plane + i] =
            float(std::clamp(2 * (double(array.values[at]) - low) / (high - low) - 1, -1.0, 1.0));
      }
    set.pictures.push_back(store(int(layout.channels), int(layout.height), int(layout.width),
                                 std::move(samples), options.max_shrink));
  }
  set.description = message(layout.count, " pictures of ", array.name, ", values ", low, " to ", high);
  return set;
}

}  // namespace tweedie
