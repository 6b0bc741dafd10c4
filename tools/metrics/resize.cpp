#include "tools/metrics/resize.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/error.hpp"

namespace tweedie::metrics {
namespace {

/// One output pixel of an axis: `weights` times the inputs from `first` on.
struct Taps {
  int first;
  std::vector<double> weights;
};

std::vector<Taps> two_taps(int in, int out, double offset) {
  std::vector<Taps> taps;
  for (int i = 0; i < out; ++i) {
    const double at = std::max(0.0, (i + offset) * in / out - offset);
    const int first = std::min(int(at), in - 1);
    const double fraction = first + 1 < in ? at - first : 0;
    taps.push_back({first, fraction > 0 ? std::vector{1 - fraction, fraction} : std::vector{1.0}});
  }
  return taps;
}

double triangle(double x) { return std::max(0.0, 1 - std::abs(x)); }

double cubic(double x) {  // Keys' with a = -0.5
  x = std::abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/// Pillow's windows: the filter is stretched where the image shrinks, cut at the border and normalised.
std::vector<Taps> antialiased(int in, int out, double (*filter)(double), double support) {
  const double ratio = double(in) / out, stretch = std::max(ratio, 1.0), reach = support * stretch;
  std::vector<Taps> taps;
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * ratio;
    const int first = std::max(0, int(centre - reach + 0.5)), end = std::min(in, int(centre + reach + 0.5));
    Taps t{first, {}};
    double sum = 0;
    for (int j = first; j < end; ++j) sum += t.weights.emplace_back(filter((j - centre + 0.5) / stretch));
    for (double& weight : t.weights) weight /= sum;
    taps.push_back(std::move(t));
  }
  return taps;
}

std::vector<Taps> taps_of(Resizer resizer, int in, int out) {
  switch (resizer) {
    case Resizer::bilinear:
      return two_taps(in, out, 0.5);
    case Resizer::bilinear_tf1:
      return two_taps(in, out, 0);
    case Resizer::bilinear_antialiased:
      return antialiased(in, out, triangle, 1);
    default:
      return antialiased(in, out, cubic, 2);
  }
}

constexpr InceptionInput inputs[] = {
    {"pytorch", "pytorch-fid", Resizer::bilinear, false},
    {"clean", "clean-fid", Resizer::bicubic_pil, true},
    {"fidelity", "torch-fidelity", Resizer::bilinear_tf1, true},
    {"torchmetrics", "torchmetrics", Resizer::bilinear_antialiased, true},
};

}  // namespace

Planes resized(const Planes& x, int height, int width, Resizer resizer) {
  require(height > 0 && width > 0 && x.height > 0 && x.width > 0, "resizing ", x.width, " x ", x.height,
          " to ", width, " x ", height);
  const std::vector<Taps> columns = taps_of(resizer, x.width, width),
                          rows = taps_of(resizer, x.height, height);
  Planes y{x.channels, height, width,
           std::vector<double>(std::size_t(x.channels * height) * std::size_t(width))};
  std::vector<double> narrow(std::size_t(x.height) * std::size_t(width));
  for (int c = 0; c < x.channels; ++c) {
    const double* const from = x.data.data() + std::size_t(c) * x.plane();
    for (int h = 0; h < x.height; ++h)
      for (int w = 0; w < width; ++w) {
        double sum = 0;
        const Taps& t = columns[std::size_t(w)];
        for (std::size_t k = 0; k < t.weights.size(); ++k)
          sum += t.weights[k] * from[std::size_t(h) * std::size_t(x.width) + std::size_t(t.first) + k];
        narrow[std::size_t(h) * std::size_t(width) + std::size_t(w)] = sum;
      }
    double* const to = y.data.data() + std::size_t(c) * y.plane();
    for (int h = 0; h < height; ++h) {
      const Taps& t = rows[std::size_t(h)];
      for (std::size_t k = 0; k < t.weights.size(); ++k)
        for (std::size_t w = 0; w < std::size_t(width); ++w)
          to[std::size_t(h) * std::size_t(width) + w] +=
              t.weights[k] * narrow[(std::size_t(t.first) + k) * std::size_t(width) + w];
    }
  }
  return resizer == Resizer::bicubic_pil ? clipped(std::move(y)) : y;
}

std::span<const InceptionInput> inception_inputs() { return inputs; }

const InceptionInput& inception_input(const std::string& name) {
  for (const InceptionInput& input : inputs)
    if (name == input.name) return input;
  throw Error(message("there is no input of Inception named ", name));
}

std::vector<float> prepared(const Planes& image, const InceptionInput& input) {
  require(image.channels == 1 || image.channels == 3, "Inception takes images of 1 or 3 channels, not ",
          image.channels);
  constexpr int side = 299;
  const Planes x = resized(image, side, side, input.resizer);
  std::vector<float> values;
  for (int c = 0; c < 3; ++c)
    for (std::size_t i = 0; i < x.plane(); ++i) {
      const double value = x.data[std::size_t(c % x.channels) * x.plane() + i];
      values.push_back(float(input.around_128 ? (value * 255 - 128) / 128 : 2 * value - 1));
    }
  return values;
}

}  // namespace tweedie::metrics
