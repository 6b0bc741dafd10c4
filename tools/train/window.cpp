#include "tools/train/window.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

template <class T>
typename Pyramid<T>::Level half_of(const typename Pyramid<T>::Level& from, int channels) {
  typename Pyramid<T>::Level to{from.height / 2, from.width / 2, {}};
  const auto width = std::size_t(from.width), plane = width * std::size_t(from.height);
  to.data.reserve(std::size_t(channels) * std::size_t(to.height) * std::size_t(to.width));
  for (int c = 0; c < channels; ++c)
    for (int row = 0; row < to.height; ++row) {
      const T* upper = from.data.data() + std::size_t(c) * plane + 2 * std::size_t(row) * width;
      for (int column = 0; column < to.width; ++column, upper += 2) {
        const auto sum = upper[0] + upper[1] + upper[width] + upper[width + 1];
        if constexpr (std::is_integral_v<T>)
          to.data.push_back(T((sum + 2) / 4));
        else
          to.data.push_back(sum / 4);
      }
    }
  return to;
}

template <class T>
StoredPicture store_as(int channels, int height, int width, std::vector<T> samples, double max_shrink) {
  require(channels > 0 && height > 0 && width > 0 &&
              samples.size() == std::size_t(channels) * std::size_t(height) * std::size_t(width),
          "a picture of (", channels, ", ", height, ", ", width, ") with ", samples.size(), " samples");
  Pyramid<T> pyramid;
  pyramid.channels = channels;
  pyramid.levels.push_back({height, width, std::move(samples)});
  for (double reach = 4; reach <= max_shrink; reach *= 2) {
    const auto& last = pyramid.levels.back();
    if (last.height < 2 || last.width < 2) break;
    pyramid.levels.push_back(half_of<T>(last, channels));
  }
  return pyramid;
}

float value_of(std::uint8_t sample) { return float(2.0 * sample / 255 - 1); }
float value_of(float sample) { return sample; }

// Keys' cubic (a = -1/2), "Cubic convolution interpolation for digital image processing", 1981.
double cubic(double t) {
  t = std::abs(t);
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
}

/// How the samples of one axis are made: `taps` weights each, the first for source sample `first`.
struct Axis {
  int taps = 0;
  std::vector<int> first;
  std::vector<float> weights;
};

/// Sample i covers [start + i * step, start + (i + 1) * step) of the source; step is at least 1, and the
/// cubic is widened by it.
Axis make_axis(int size, double start, double step) {
  Axis axis;
  axis.taps = int(std::ceil(4 * step)) + 1;
  for (int i = 0; i < size; ++i) {
    const double centre = start + (i + 0.5) * step - 0.5;
    const int first = int(std::floor(centre - 2 * step)) + 1;
    double sum = 0;
    std::vector<double> weights(std::size_t(axis.taps), 0.0);
    for (int k = 0; k < axis.taps; ++k) sum += weights[std::size_t(k)] = cubic((first + k - centre) / step);
    axis.first.push_back(first);
    for (const double weight : weights) axis.weights.push_back(float(weight / sum));
  }
  return axis;
}

/// The window of one plane. Beyond the plane's edge lie its last sample, or -1 where `pad` is set.
template <class T>
void resample(std::span<float> out, const T* plane, int height, int width, const Axis& rows,
              const Axis& columns, bool pad) {
  const int size = int(columns.first.size());
  const int top = rows.first.front(), bottom = rows.first.back() + rows.taps;
  std::vector<float> reduced(std::size_t(bottom - top) *
                             std::size_t(size));  // every source row, its columns done
  for (int row = top; row < bottom; ++row) {
    float* to = reduced.data() + std::size_t(row - top) * std::size_t(size);
    if (pad && (row < 0 || row >= height)) {
      std::fill(to, to + size, -1.0f);
      continue;
    }
    const T* from = plane + std::size_t(std::clamp(row, 0, height - 1)) * std::size_t(width);
    for (int i = 0; i < size; ++i) {
      float value = 0;
      const float* weight = columns.weights.data() + std::size_t(i) * std::size_t(columns.taps);
      for (int k = 0; k < columns.taps; ++k) {
        const int column = columns.first[std::size_t(i)] + k;
        const bool outside = column < 0 || column >= width;
        value += weight[k] * (outside && pad ? -1.0f : value_of(from[std::clamp(column, 0, width - 1)]));
      }
      to[i] = value;
    }
  }
  for (int i = 0; i < size; ++i) {
    float* to = out.data() + std::size_t(i) * std::size_t(size);
    std::fill(to, to + size, 0.0f);
    for (int k = 0; k < rows.taps; ++k) {
      const float weight = rows.weights[std::size_t(i) * std::size_t(rows.taps) + std::size_t(k)];
      const float* from =
          reduced.data() + std::size_t(rows.first[std::size_t(i)] + k - top) * std::size_t(size);
      for (int column = 0; column < size; ++column) to[column] += weight * from[column];
    }
  }
}

/// Where a window of `window` pixels begins on a side of `side`: anywhere inside; centred where it is larger.
/// A window that is not reduced begins at a whole pixel, so that its pixels are copies.
double draw_start(double side, double window, bool whole, Draws& draws) {
  const double room = side - window;
  if (room < 0) return whole ? std::floor(room / 2) : room / 2;
  return whole ? std::floor(draws.uniform() * (room + 1)) : draws.uniform() * room;
}

float luma(float red, float green, float blue) { return 0.299f * red + 0.587f * green + 0.114f * blue; }

/// Brings the sample of `from` channels in `x` to `to` channels; one of the two is 1, the other 3, or both
/// agree.
void convert_channels(std::vector<float>& x, int from, int to) {
  if (from == to) return;
  require((from == 1 && to == 3) || (from == 3 && to == 1), "a picture of ", from, " channels, wanted are ",
          to);
  const std::size_t plane = x.size() / std::size_t(from);
  if (from == 1) {
    x.resize(3 * plane);
    for (std::size_t c = 1; c < 3; ++c) std::copy_n(x.begin(), plane, x.begin() + std::ptrdiff_t(c * plane));
    return;
  }
  for (std::size_t i = 0; i < plane; ++i) x[i] = luma(x[i], x[plane + i], x[2 * plane + i]);
  x.resize(plane);
}

void change_colours(std::vector<float>& x, const DataOptions& options, Draws& draws) {
  const double j = options.jitter;
  const auto contrast = float(1 + draws.uniform(-j, j)), brightness = float(draws.uniform(-j, j)),
             saturation = float(1 + draws.uniform(-j, j));
  const bool gray = draws.uniform() < options.gray;
  if (options.channels == 3 && (gray || j > 0)) {
    const float kept = gray ? 0 : saturation;
    const std::size_t plane = x.size() / 3;
    for (std::size_t i = 0; i < plane; ++i) {
      const float light = luma(x[i], x[plane + i], x[2 * plane + i]);
      for (std::size_t c = 0; c < 3; ++c) x[c * plane + i] = light + kept * (x[c * plane + i] - light);
    }
  }
  if (j > 0)
    for (float& value : x) value = contrast * value + brightness;
}

template <class T>
std::vector<float> window_of(const Pyramid<T>& picture, const DataOptions& options, bool pad, Draws& draws) {
  const int size = options.size;
  double shrink = draws.log_uniform(options.min_shrink, options.max_shrink);
  const int side = std::min(picture.levels[0].height, picture.levels[0].width);
  require(pad || side >= size, "a picture of ", side, " pixels is smaller than a sample of ", size);
  if (!pad) shrink = std::min(shrink, double(side) / size);
  std::size_t level = 0;
  while (level + 1 < picture.levels.size() && shrink >= double(std::size_t{4} << level)) ++level;
  const auto& from = picture.levels[level];
  const double step =
      std::max(1.0, shrink / double(std::size_t{1} << level));  // both from 1 on; rounding aside
  // Odd sides lose a pixel when they are halved; a window may then be larger than the level by less than one.
  const double window = pad ? step * size : std::min(step * size, double(std::min(from.height, from.width)));
  const bool whole = step == 1;
  const Axis rows =
      make_axis(size, draw_start(from.height, window, whole, draws), std::max(1.0, window / size));
  const Axis columns =
      make_axis(size, draw_start(from.width, window, whole, draws), std::max(1.0, window / size));
  const std::size_t plane = std::size_t(size) * std::size_t(size);
  std::vector<float> x(std::size_t(picture.channels) * plane);
  for (std::size_t c = 0; c < std::size_t(picture.channels); ++c)
    resample(std::span(x).subspan(c * plane, plane),
             from.data.data() + c * std::size_t(from.height) * std::size_t(from.width), from.height,
             from.width, rows, columns, pad);
  return x;
}

template <class Ask>
auto ask(const StoredPicture& picture, Ask&& question) {
  return std::visit(question, picture);
}

}  // namespace

StoredPicture store(int channels, int height, int width, std::vector<std::uint8_t> samples,
                    double max_shrink) {
  return store_as(channels, height, width, std::move(samples), max_shrink);
}
StoredPicture store(int channels, int height, int width, std::vector<float> samples, double max_shrink) {
  return store_as(channels, height, width, std::move(samples), max_shrink);
}

int channels_of(const StoredPicture& picture) {
  return ask(picture, [](const auto& p) { return p.channels; });
}
int height_of(const StoredPicture& picture) {
  return ask(picture, [](const auto& p) { return p.levels[0].height; });
}
int width_of(const StoredPicture& picture) {
  return ask(picture, [](const auto& p) { return p.levels[0].width; });
}
std::size_t bytes_of(const StoredPicture& picture) {
  return ask(picture, [](const auto& p) {
    std::size_t bytes = 0;
    for (const auto& level : p.levels) bytes += level.data.size() * sizeof level.data[0];
    return bytes;
  });
}

void draw_window(std::span<float> out, const StoredPicture& picture, const DataOptions& options, bool pad,
                 Draws& draws) {
  std::vector<float> x = ask(picture, [&](const auto& p) { return window_of(p, options, pad, draws); });
  convert_channels(x, channels_of(picture), options.channels);
  require(x.size() == out.size(), "a sample of ", x.size(), " values, wanted are ", out.size());
  const bool mirrored = draws.uniform() < 0.5 && options.flip;
  if (mirrored)
    for (std::size_t row = 0; row < x.size(); row += std::size_t(options.size))
      std::reverse(x.begin() + std::ptrdiff_t(row), x.begin() + std::ptrdiff_t(row) + options.size);
  change_colours(x, options, draws);
  std::transform(x.begin(), x.end(), out.begin(), [](float value) { return std::clamp(value, -1.0f, 1.0f); });
}

}  // namespace tweedie
