#include "tools/plot.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

// Distinguishable also for colour-blind eyes (after Okabe & Ito, 2008), on white.
constexpr std::array<Colour, 6> colours = {{{-1, -0.11f, 0.4f},
                                            {0.67f, -0.26f, -1},
                                            {-1, 0.24f, -0.1f},
                                            {0.6f, -0.05f, 0.31f},
                                            {0.8f, 0.25f, -1},
                                            {-0.33f, 0.41f, 0.83f}}};
constexpr Colour grid = {0.75f, 0.75f, 0.75f};

/// One axis: values to pixels.
struct Axis {
  double low, high;  // in the coordinate that is even on paper: the logarithm of a logarithmic axis
  bool log;
  double first, last;  // pixels
  double coordinate(double value) const {
    if (!log) return value;
    return value > 0 ? std::log10(value) : std::numeric_limits<double>::quiet_NaN();
  }
  double pixel(double value) const {
    return first + (coordinate(value) - low) / (high - low) * (last - first);
  }
};

/// Marks of an axis, as values.
std::vector<double> ticks_of(const Axis& axis, int most) {
  if (!axis.log) return round_ticks(axis.low, axis.high, most);
  std::vector<double> ticks;
  const double decades = axis.high - axis.low;
  if (decades < 1) {  // too few powers of ten to tell anything
    for (const double value : round_ticks(std::pow(10, axis.low), std::pow(10, axis.high), most))
      if (value > 0) ticks.push_back(value);
    return ticks;
  }
  const int every = std::max(1, int(std::ceil(decades / most)));
  for (int power = int(std::ceil(axis.low - 1e-9)); power <= axis.high + 1e-9; power += every) {
    ticks.push_back(std::pow(10, power));
    if (decades < 3)
      for (const double factor : {2.0, 5.0})
        if (power + std::log10(factor) <= axis.high) ticks.push_back(factor * std::pow(10, power));
  }
  if (decades < 3)
    for (const double factor : {2.0, 5.0}) {
      const double power = std::ceil(axis.low - 1e-9) - 1;
      if (power + std::log10(factor) >= axis.low) ticks.push_back(factor * std::pow(10, power));
    }
  return ticks;
}

/// The range of all curves along one axis, with a margin of a share of it.
Axis axis_of(const Plot& plot, bool vertical, bool log, double margin) {
  Axis axis{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(), log, 0, 0};
  for (const Curve& curve : plot.curves) {
    require(curve.x.size() == curve.y.size(), "the curve '", curve.name, "' has ", curve.x.size(), " x and ",
            curve.y.size(), " y");
    for (const double value : vertical ? curve.y : curve.x) {
      const double at = axis.coordinate(value);
      if (!std::isfinite(at)) continue;
      axis.low = std::min(axis.low, at);
      axis.high = std::max(axis.high, at);
    }
  }
  require(axis.low <= axis.high, "the plot '", plot.title, "' has nothing to draw",
          log ? " on a logarithmic axis" : "");
  const double room =
      axis.high > axis.low ? margin * (axis.high - axis.low) : std::max(1e-9, std::abs(axis.low) * 0.1);
  axis.low -= room;
  axis.high += room;
  return axis;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", std::abs(value) < 1e-12 ? 0.0 : value);
  return text;
}

void draw_frame(Image& image, const Plot& plot, const Axis& x, const Axis& y) {
  const int left = int(x.first), right = int(x.last), top = int(y.last), bottom = int(y.first);
  const int room = int(y.first - y.last) / 45;
  for (const double value : ticks_of(y, std::max(2, room))) {
    const int row = int(std::lround(y.pixel(value)));
    fill_box(image, left, row, right - left, 1, grid);
    const std::string text = number(value);
    draw_text(image, left - 8 - text_width(text), row - 3, text, black);
  }
  for (const double value : ticks_of(x, std::max(2, (right - left) / 90))) {
    const int column = int(std::lround(x.pixel(value)));
    fill_box(image, column, top, 1, bottom - top, grid);
    const std::string text = number(value);
    draw_text(image, column - text_width(text) / 2, bottom + 8, text, black);
  }
  fill_box(image, left, bottom, right - left + 1, 1, black);
  fill_box(image, left, top, 1, bottom - top + 1, black);
  draw_text(image, (left + right - text_width(plot.title, 2)) / 2, 12, plot.title, black, 2);
  draw_text(image, (left + right - text_width(plot.x_label)) / 2, plot.height - 20, plot.x_label, black);
  draw_text_upwards(image, 10, (top + bottom + text_width(plot.y_label)) / 2, plot.y_label, black);
}

/// A faint curve has the colour of the one that it lies under.
std::vector<Colour> colours_of(const Plot& plot) {
  std::vector<Colour> chosen;
  std::size_t next = 0;
  for (const Curve& curve : plot.curves) {
    chosen.push_back(colours[next % colours.size()]);
    if (!curve.faint) ++next;
  }
  return chosen;
}

void draw_legend(Image& image, const Plot& plot, const std::vector<Colour>& chosen, const Axis& x,
                 const Axis& y) {
  int longest = 0, row = int(y.last) + 10;
  for (const Curve& curve : plot.curves) longest = std::max(longest, text_width(curve.name));
  const int left = int(x.last) - longest - 40;
  for (std::size_t i = 0; i < plot.curves.size(); ++i) {
    const Curve& curve = plot.curves[i];
    if (curve.name.empty()) continue;
    fill_box(image, left - 4, row - 4, longest + 40, 16, white);
    draw_line(image, {{double(left), row + 3.0}, {left + 22.0, row + 3.0}}, curve.faint ? 1.0 : 2.0,
              chosen[i], curve.faint ? 0.4 : 1.0);
    draw_text(image, left + 30, row, curve.name, black);
    row += 16;
  }
}

}  // namespace

Image draw_plot(const Plot& plot) {
  require(plot.width >= 200 && plot.height >= 200, "a plot of ", plot.width, " x ", plot.height,
          " pixels, expected sides from 200 on");
  Image image = uniform_image(3, plot.height, plot.width, 1);
  Axis x = axis_of(plot, false, plot.log_x, 0.0), y = axis_of(plot, true, plot.log_y, 0.05);
  x.first = 80, x.last = plot.width - 24;
  y.first = plot.height - 50, y.last = 40;
  draw_frame(image, plot, x, y);
  const std::vector<Colour> chosen = colours_of(plot);
  for (std::size_t i = 0; i < plot.curves.size(); ++i) {
    const Curve& curve = plot.curves[i];
    std::vector<Point> points;
    for (std::size_t k = 0; k < curve.x.size(); ++k)
      points.push_back({x.pixel(curve.x[k]), y.pixel(curve.y[k])});
    draw_line(image, points, curve.faint ? 1.0 : 2.0, chosen[i], curve.faint ? 0.4 : 1.0);
  }
  draw_legend(image, plot, chosen, x, y);
  return image;
}

std::vector<double> smoothed(const std::vector<double>& values, double span) {
  require(span >= 1, "smoothing over ", span, " values, expected 1 or more");
  std::vector<double> out;
  out.reserve(values.size());
  double sum = 0, weight = 0;
  for (const double value : values) {
    if (std::isfinite(value)) {
      sum = (1 - 1 / span) * sum + value;
      weight = (1 - 1 / span) * weight + 1;
    }
    out.push_back(weight > 0 ? sum / weight : std::numeric_limits<double>::quiet_NaN());
  }
  return out;
}

Plot loss_plot(const std::string& title, const std::vector<double>& steps,
               const std::vector<double>& losses) {
  Plot plot;
  plot.title = title;
  plot.x_label = "step";
  plot.y_label = "loss";
  plot.log_y = true;
  const double span = std::max(10.0, double(losses.size()) / 50);
  plot.curves = {{"each step", steps, losses, true}, {"smoothed", steps, smoothed(losses, span), false}};
  return plot;
}

std::vector<double> round_ticks(double low, double high, int most) {
  require(low < high && most >= 1, "marks from ", low, " to ", high, ", at most ", most);
  const double least = (high - low) / most, power = std::pow(10, std::floor(std::log10(least)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0})
    if (factor * power >= least * (1 - 1e-9)) step = factor * power;
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step && int(ticks.size()) <= most;
       ++i)
    ticks.push_back(i * step);
  return ticks;
}

std::vector<Image> images_of(std::span<const float> batch, int channels, int height, int width,
                             int enlarged) {
  require(channels > 0 && height > 0 && width > 0 && enlarged > 0, "a batch of (", channels, ", ", height,
          ", ", width, "), enlarged ", enlarged, " times");
  const int colour = channels == 3 ? 3 : 1;
  const std::size_t item = std::size_t(colour) * std::size_t(height) * std::size_t(width);
  require(batch.size() % (item * std::size_t(channels / colour)) == 0, "a batch of ", batch.size(),
          " values, expected a multiple of ", item * std::size_t(channels / colour));
  std::vector<Image> images;
  for (std::size_t at = 0; at < batch.size(); at += item) {
    Image image = uniform_image(colour, height * enlarged, width * enlarged, 0);
    for (int c = 0; c < colour; ++c)
      for (int row = 0; row < image.height; ++row)
        for (int column = 0; column < image.width; ++column)
          image.data[image.index(c, row, column)] =
              batch[at + std::size_t((c * height + row / enlarged) * width + column / enlarged)];
    images.push_back(std::move(image));
  }
  return images;
}

}  // namespace tweedie
