// The seam to libpng and libjpeg: whole files in memory to raw samples and back. Used by image.cpp alone.
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

/// A PNG file of 8-bit samples. Throws `Error`, beginning with `name`, if libpng fails.
std::string encode_png(const Raster& raster, const std::string& name);

}  // namespace tweedie
