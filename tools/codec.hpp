// The seam to libpng, libjpeg and libtiff: whole files in memory to raw samples and back. Used by image.cpp
// and arrays.cpp alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tweedie {

/// An image beyond these is refused before its memory is taken.
inline constexpr std::uint32_t max_image_side = 32768;
inline constexpr std::uint64_t max_image_pixels = std::uint64_t(1) << 26;

/// Samples as they were stored: interleaved rows of 1 (gray) or 3 (RGB) channels; of 16 bits, the high byte
/// comes first.
struct Raster {
  int channels = 0, height = 0, width = 0;
  int peak = 255;  // 255 or 65535
  std::vector<std::uint8_t> bytes;

  std::size_t count() const { return std::size_t(channels) * std::size_t(height) * std::size_t(width); }
  int sample(std::size_t i) const {
    return peak == 255 ? bytes[i] : int(bytes[2 * i]) << 8 | int(bytes[2 * i + 1]);
  }
};

/// Throws `Error` if the header's size is zero or beyond the limits above.
void require_sane_size(const std::string& name, std::uint64_t width, std::uint64_t height);

bool is_png(std::string_view bytes);
bool is_jpeg(std::string_view bytes);

/// Decode a file; `name` begins every message. Errors and notes as in `read_image`.
Raster decode_png(std::string_view bytes, const std::string& name, std::vector<std::string>& notes);
Raster decode_jpeg(std::string_view bytes, const std::string& name, std::vector<std::string>& notes);

/// Samples of a TIFF file, planar, as numbers: not scaled. `type` says how they were stored, in NumPy's
/// words:
/// "|u1", "<u2", "<u4", "|i1", "<i2", "<i4", "<f4" or "<f8".
struct TiffSamples {
  int channels = 0, height = 0, width = 0;
  std::string type;
  std::vector<float> values;
};

/// Whether a file of `file_size` bytes begins as a TIFF file: byte order, version (42, or 43 of BigTIFF), and
/// a first directory inside the file.
bool is_tiff(std::string_view start, std::uint64_t file_size);

/// Decodes the first image of a TIFF file: gray (of which white may be 0) or RGB, strips or tiles, of any
/// compression that libtiff knows. Errors and notes as in `read_image`; also for other kinds of colour.
TiffSamples decode_tiff(std::string_view bytes, const std::string& name, std::vector<std::string>& notes);

/// The orientation that EXIF data asks for, 1 to 8; 1 (as stored) where it says nothing that can be read.
/// Layout: a TIFF header (byte order, 42, offset of the first directory), then a directory of 12-byte
/// entries; tag 0x0112 is the orientation (EXIF 2.3, 4.6).
int exif_orientation(std::string_view tiff);

/// What is said of an orientation that is not applied.
std::string orientation_note(const std::string& name, int orientation);

/// A PNG file of 8-bit samples. Throws `Error`, beginning with `name`, if libpng fails.
std::string encode_png(const Raster& raster, const std::string& name);

}  // namespace tweedie
