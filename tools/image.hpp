// Images as the programs know them: read from PNG, JPEG, TIFF and NumPy files, shown and written as PNG.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace tweedie {

/// A gray or RGB image in host memory.
struct Image {
  int channels = 1;         // 1 (gray) or 3 (RGB)
  int height = 0;           // pixels
  int width = 0;            // pixels
  std::vector<float> data;  // planar: channel, row, column; black is -1, white is 1

  std::size_t plane() const { return std::size_t(height) * std::size_t(width); }
  std::size_t index(int c, int row, int column) const {
    return (std::size_t(c) * std::size_t(height) + std::size_t(row)) * std::size_t(width) +
           std::size_t(column);
  }
  bool operator==(const Image&) const = default;
};

/// An image of one value.
Image uniform_image(int channels, int height, int width, float value);

/// "256 x 128, 3 channels" (width x height, as image viewers say it), for messages.
std::string describe(const Image& image);

/// Throws `Error` unless the image has 1 or 3 channels, at least one pixel, and as much data as its size
/// says.
void require_valid(const Image& image);

// ---- files ----------------------------------------------------------------------------------------------

/// What black and white are stored as.
struct Levels {
  double black = 0, white = 1;
};

/// Reads a PNG, JPEG, TIFF or NumPy (.npy) file, recognised by its content, into [-1, 1]: 2 s / peak - 1 for
/// a sample s; with `levels`, of any type and value, 2 (s - black) / (white - black) - 1. PNG: 1 to 16 bits,
/// gray, palette, RGB, interlaced or not. JPEG: gray and colour, 8 bits, baseline and progressive. TIFF: gray
/// and RGB, whole numbers of 8, 16 or 32 bits without sign or real ones from 0 to 1. NumPy: (H, W), (C, H, W)
/// or (H, W, C) with C of 1 or 3, of the same numbers or booleans. Samples are taken as stored: colour
/// profiles and gamma are ignored. What was in the file and is ignored although the picture looks different
/// with it is said in `notes`, one line each, beginning with the path: an alpha channel or transparent colour
/// is dropped (not blended), an orientation (EXIF, TIFF) is not applied, further images of a file are not
/// read. Throws `Error` in one line, beginning with the path: missing file, folder, other format, truncated
/// or corrupt data, CMYK, sides above 32,768 or more than 2^26 pixels.
Image read_image(const std::string& path, std::vector<std::string>* notes = nullptr,
                 const std::optional<Levels>& levels = {});

/// Whether the file begins as a PNG, JPEG or TIFF image does. False when it cannot be read.
bool is_image_file(const std::string& path);

/// Writes an 8-bit PNG: clip((x + 1) / 2) to [0, 1], rounded to the nearest of 256 levels; never stretched.
/// Whole or not at all: an earlier file stays until the new one is complete. Throws `Error` if a value is
/// NaN or the file cannot be written.
void write_png(const std::string& path, const Image& image);

/// Reads a mask, (height, width) row-major: 1 where a picture is more than half its peak (128 of 255), the
/// observed pixels, 0 elsewhere. The picture is gray, or colour with three equal channels. Pixels that are
/// neither black nor white are counted in a note. A .npy, .npz or HDF5 array (the only one, or `mask`) holds
/// zeros and ones, or 0 and 255. Throws `Error` on another size, a coloured file, other numbers, a mask that
/// observes nothing or everything, and as `read_image`.
std::vector<float> read_mask(const std::string& path, int height, int width,
                             std::vector<std::string>* notes = nullptr);

/// Writes values (height, width), row-major, as a PNG in false colour: `low` dark blue, `high` pale yellow,
/// values outside drawn as the nearest of the two. For standard deviations. Throws `Error` if low >= high, a
/// value is NaN or the file cannot be written.
void write_heat_map(const std::string& path, const std::vector<float>& values, int height, int width,
                    float low, float high);

/// The colour of t in [0, 1] on the heat map's scale, each of R, G, B in [-1, 1]. Equal steps of t are equal
/// steps of perceived lightness (OKLab, Ottosson 2020), so that the map also reads in gray.
std::array<float, 3> heat_colour(double t);

// ---- images to images -----------------------------------------------------------------------------------

/// RGB of a gray image (three equal channels), or the image itself.
Image to_rgb(const Image& image);
/// Luma of an RGB image, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), or the image itself.
Image to_gray(const Image& image);
/// Every value held to [-1, 1], as in a written file.
Image clipped(const Image& image);

/// Images of one size beside each other, row by row, `columns` in a row, with `gap` white pixels between.
/// Gray ones become RGB if any is RGB. A last row that is not full ends in white. Throws `Error` without
/// images or when the sizes differ.
Image contact_sheet(const std::vector<Image>& images, int columns, int gap = 4);

/// Where position i falls on n samples continued by reflection without repeating the edge: ... 2 1 | 0 1 2 |
/// 1 0 1 ..., for any i, also many periods away; 0 for n = 1.
int reflect_index(long long i, int n);

/// The image enlarged at the bottom and right to the next multiples of `multiple`, by reflection without
/// repeating the edge; reflected repeatedly where the margin exceeds the image. `crop(.., 0, 0, height,
/// width)` undoes it.
Image pad_reflect(const Image& image, int multiple);

/// The part of (height, width) whose upper left pixel is (top, left). Throws `Error` unless it lies inside.
Image crop(const Image& image, int top, int left, int height, int width);

}  // namespace tweedie
