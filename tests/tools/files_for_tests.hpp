// Image files of every kind, made with libpng and libjpeg directly, and a folder to put them in.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/error.hpp"

namespace tweedie::test {

/// A folder of its own for a test, removed with its content at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  /// Names of what lies in it, sorted.
  std::vector<std::string> entries() const;

 private:
  std::string path_;
};

std::string read_bytes(const std::string& path);
void write_bytes(const std::string& path, const std::string& bytes);

/// What goes into a PNG: `rows` as libpng stores them (packed samples, 16 bits high byte first).
struct PngContent {
  int width, height, bits, colour_type;  // PNG_COLOR_TYPE_*
  std::vector<std::vector<std::uint8_t>> rows;
  std::vector<std::uint8_t> palette;      // R, G, B of each entry
  std::vector<std::uint8_t> transparent;  // alpha of each palette entry (tRNS)
  bool interlaced = false;
};
std::string png_file(const PngContent& content);

/// A JPEG of interleaved 8-bit samples: 1 component gray, 3 RGB (stored as YCbCr), 4 CMYK. An EXIF segment
/// with that orientation goes in if it is not 0.
std::string jpeg_file(int components, int height, int width, const std::vector<std::uint8_t>& samples,
                      int quality, bool progressive = false, int orientation = 0);

/// The text of the Error that `body` throws, which must be one line. Throwing none is a failed check.
template <class Body>
std::string error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    const std::string text = error.what();
    CHECK_MESSAGE(text.find('\n') == std::string::npos, "an error of more than one line: ", text);
    return text;
  }
  FAIL_CHECK("no Error was thrown");
  return "";
}

}  // namespace tweedie::test
