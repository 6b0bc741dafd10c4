// Curves in a frame with numbers, as an image: losses, errors over steps.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tools/canvas.hpp"

namespace tweedie {

/// A curve of a plot: y over x, one number each. Numbers that are not finite interrupt it.
struct Curve {
  std::string name;  ///< for the legend; none of that curve if empty
  std::vector<double> x, y;
  bool faint = false;  ///< thin and pale, in the colour of the next curve: raw values under smoothed ones
};

/// A plot to be drawn. Ranges are those of the curves.
struct Plot {
  std::string title, x_label, y_label;
  std::vector<Curve> curves;
  bool log_x = false, log_y = false;  ///< logarithmic; what is not positive is left out
  int width = 900, height = 540;      ///< pixels
};

/// Draws the plot, RGB. Throws `Error` if a curve has not as many y as x, if there is nothing to draw, or for
/// sides below 200 pixels.
Image draw_plot(const Plot& plot);

/// The exponential moving average of the values over about `span` of them, from the first one on: value i is
/// the mean of the values up to i with weights that fall by 1 - 1/span a step. Numbers that are not finite
/// are passed over.
std::vector<double> smoothed(const std::vector<double>& values, double span);

/// A plot of a loss over steps: raw values, pale, and smoothed over a fiftieth of them (at least 10).
Plot loss_plot(const std::string& title, const std::vector<double>& steps, const std::vector<double>& losses);

/// Round numbers, evenly spaced, inside [low, high], at most `most`: 1, 2 or 5 times a power of ten apart.
std::vector<double> round_ticks(double low, double high, int most);

/// Images of a batch (N, C, H, W) in [-1, 1], each pixel `enlarged` times as large: C of 1 or 3 as they are,
/// of any other number as their channels, one after the other.
std::vector<Image> images_of(std::span<const float> batch, int channels, int height, int width,
                             int enlarged = 1);

}  // namespace tweedie
