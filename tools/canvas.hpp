// Drawing on an image: text in a small fixed font, lines, filled boxes.
#pragma once

#include <array>
#include <string_view>

#include "tools/image.hpp"

namespace tweedie {

/// Red, green and blue, each in [-1, 1].
using Colour = std::array<float, 3>;
inline constexpr Colour black = {-1, -1, -1}, white = {1, 1, 1};

/// A character is 5 x 7 pixels in a cell of 6 x 10 (what hangs below the line has two rows of it), times
/// `scale`.
inline constexpr int cell_width = 6, cell_height = 10;

/// Pixels that a line of text takes, without the gap behind its last character.
int text_width(std::string_view text, int scale = 1);

/// Draws text whose cell's upper left pixel is (left, top). What lies outside the image is not drawn; what is
/// not printable ASCII is drawn as a box (bytes of UTF-8 after the first: not at all).
void draw_text(Image& image, int left, int top, std::string_view text, const Colour& colour, int scale = 1);
/// The same, turned by a quarter to the left: (left, bottom) is where the text begins.
void draw_text_upwards(Image& image, int left, int bottom, std::string_view text, const Colour& colour,
                       int scale = 1);

/// Fills the pixels of a box; what lies outside the image is not drawn.
void fill_box(Image& image, int left, int top, int width, int height, const Colour& colour);

/// A point on an image: the centre of the upper left pixel is (0, 0).
struct Point {
  double x, y;
};

/// Draws a line through the points, `width` pixels wide, smooth at its edges, mixed into what is there by
/// `opacity` (0 to 1; where the line crosses itself, too). Points that are no numbers interrupt it.
void draw_line(Image& image, const std::vector<Point>& points, double width, const Colour& colour,
               double opacity = 1);

/// The rows of a character, each of 5 bits, the left pixel highest; null for what is not printable ASCII.
/// `lowered`: it hangs two rows below the line.
const char* glyph(char character, bool& lowered);

}  // namespace tweedie
