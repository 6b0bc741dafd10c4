#include "tools/canvas.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

void set(Image& image, int row, int column, const Colour& colour, float opacity = 1) {
  if (row < 0 || column < 0 || row >= image.height || column >= image.width) return;
  for (int c = 0; c < image.channels; ++c) {
    const float wanted = image.channels == 3 ? colour[std::size_t(c)]
                                             : 0.299f * colour[0] + 0.587f * colour[1] + 0.114f * colour[2];
    float& value = image.data[image.index(c, row, column)];
    value += opacity * (wanted - value);
  }
}

/// Calls `pixel(row, column)`, relative to the text's cell, for each of its dark pixels.
template <class Pixel>
void for_each_pixel(std::string_view text, int scale, Pixel&& pixel) {
  int left = 0;
  for (const char character : text) {
    if ((static_cast<unsigned char>(character) & 0xC0) == 0x80) continue;  // a byte of UTF-8 after the first
    bool lowered = false;
    const char* rows = glyph(character, lowered);
    if (!rows) rows = "vhhhhhv";
    for (int row = 0; row < 7; ++row) {
      const char digit = rows[row];
      const int bits = digit <= '9' ? digit - '0' : digit - 'a' + 10;
      for (int column = 0; column < 5; ++column)
        if (bits >> (4 - column) & 1)
          for (int i = 0; i < scale * scale; ++i)
            pixel((row + (lowered ? 2 : 0)) * scale + i / scale, (left + column) * scale + i % scale);
    }
    left += cell_width;
  }
}

/// How far the pixel (x, y) is from the stretch a to b.
double distance(double x, double y, const Point& a, const Point& b) {
  const double dx = b.x - a.x, dy = b.y - a.y, square = dx * dx + dy * dy;
  const double t = square > 0 ? std::clamp(((x - a.x) * dx + (y - a.y) * dy) / square, 0.0, 1.0) : 0;
  return std::hypot(x - a.x - t * dx, y - a.y - t * dy);
}

/// Raises the cover of the pixels of one stretch.
void cover_stretch(std::vector<float>& cover, const Image& image, const Point& a, const Point& b,
                   double width) {
  const double reach = width / 2 + 1;
  const auto within = [](double value, int size) { return int(std::clamp(value, -1.0, double(size))); };
  const int top = std::max(0, within(std::min(a.y, b.y) - reach, image.height)),
            bottom = std::min(image.height - 1, within(std::max(a.y, b.y) + reach, image.height));
  for (int row = top; row <= bottom; ++row) {
    // Of a slanted stretch, only the columns near where it crosses this row.
    double from = std::min(a.x, b.x), to = std::max(a.x, b.x);
    if (std::abs(b.y - a.y) > 1e-9) {
      const double slope = (b.x - a.x) / (b.y - a.y), side = reach * std::hypot(1, slope);
      const double middle = a.x + (row - a.y) * slope;
      from = std::max(from, middle - side);
      to = std::min(to, middle + side);
    }
    const int left = std::max(0, within(from - reach, image.width)),
              right = std::min(image.width - 1, within(to + reach, image.width));
    for (int column = left; column <= right; ++column) {
      const double part = std::clamp(width / 2 + 0.5 - distance(column, row, a, b), 0.0, 1.0);
      float& value = cover[std::size_t(row) * std::size_t(image.width) + std::size_t(column)];
      value = std::max(value, float(part));
    }
  }
}

}  // namespace

int text_width(std::string_view text, int scale) {
  const auto characters = std::count_if(text.begin(), text.end(), [](char character) {
    return (static_cast<unsigned char>(character) & 0xC0) != 0x80;
  });
  return std::max(0, int(characters) * cell_width - 1) * scale;
}

void draw_text(Image& image, int left, int top, std::string_view text, const Colour& colour, int scale) {
  require_valid(image);
  for_each_pixel(text, scale, [&](int row, int column) { set(image, top + row, left + column, colour); });
}

void draw_text_upwards(Image& image, int left, int bottom, std::string_view text, const Colour& colour,
                       int scale) {
  require_valid(image);
  for_each_pixel(text, scale, [&](int row, int column) { set(image, bottom - column, left + row, colour); });
}

void fill_box(Image& image, int left, int top, int width, int height, const Colour& colour) {
  require_valid(image);
  for (int row = std::max(0, top); row < std::min(image.height, top + height); ++row)
    for (int column = std::max(0, left); column < std::min(image.width, left + width); ++column)
      set(image, row, column, colour);
}

void draw_line(Image& image, const std::vector<Point>& points, double width, const Colour& colour,
               double opacity) {
  require_valid(image);
  const auto number = [](const Point& p) { return std::isfinite(p.x) && std::isfinite(p.y); };
  std::vector<float> cover(image.plane(), 0.0f);
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!number(points[i])) continue;
    const bool joined = i > 0 && number(points[i - 1]);
    cover_stretch(cover, image, joined ? points[i - 1] : points[i], points[i], width);
  }
  for (int row = 0; row < image.height; ++row)
    for (int column = 0; column < image.width; ++column) {
      const float part = cover[std::size_t(row) * std::size_t(image.width) + std::size_t(column)];
      if (part > 0) set(image, row, column, colour, part * float(opacity));
    }
}

}  // namespace tweedie
