// PNG files: every kind of sample, what is ignored and said, damage at every place.
#include <png.h>
#include <zlib.h>

#include <cmath>
#include <limits>
#include <random>

#include "tests/tools/files_for_tests.hpp"
#include "tools/image.hpp"

namespace tweedie::test {
namespace {

/// Writes the file, reads it, and expects these samples (planar) of that peak.
void check_reads_as(const PngContent& content, int channels, int peak, const std::vector<int>& samples,
                    const std::string& note = "") {
  const TemporaryFolder folder;
  const std::string path = folder / "image.png";
  write_bytes(path, png_file(content));
  std::vector<std::string> notes;
  const Image image = read_image(path, &notes);
  CHECK(image.channels == channels);
  CHECK(image.height == content.height);
  CHECK(image.width == content.width);
  REQUIRE(image.data.size() == samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    INFO("sample ", i);
    CHECK(image.data[i] == doctest::Approx(2.0 * samples[i] / peak - 1).epsilon(1e-7));  // float rounding
  }
  if (note.empty()) {
    CHECK(notes.empty());
  } else {
    REQUIRE(notes.size() == 1);
    CHECK(notes[0] == path + note);
  }
}

Image noise(int channels, int height, int width) {
  Image image = uniform_image(channels, height, width, 0);
  std::mt19937 generator(3);
  std::uniform_int_distribution<int> level(0, 255);
  for (float& value : image.data) value = float(2.0 * level(generator) / 255 - 1);
  return image;
}

}  // namespace

TEST_CASE("PNG: what is written is read back exactly") {
  const TemporaryFolder folder;
  for (const int channels : {1, 3})
    for (const auto& [height, width] : {std::pair{1, 1}, {1, 7}, {5, 1}, {13, 17}}) {
      const Image image = noise(channels, height, width);
      write_png(folder / "image.png", image);
      std::vector<std::string> notes;
      const Image back = read_image(folder / "image.png", &notes);
      CHECK(back.channels == channels);
      CHECK(back.height == height);
      CHECK(back.width == width);
      CHECK(back.data == image.data);
      CHECK(notes.empty());
    }
}

TEST_CASE("PNG: values are clipped and rounded, never stretched") {
  const TemporaryFolder folder;
  const float infinity = std::numeric_limits<float>::infinity();
  const Image image{1, 1, 8, {-infinity, -1.5f, -0.5f, 0, 0.25f, 0.5f, 1.01f, infinity}};
  write_png(folder / "image.png", image);
  const Image back = read_image(folder / "image.png");
  const std::vector<int> expected = {0, 0, 64, 128, 159, 191, 255, 255};  // round(255 (x + 1) / 2)
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(back.data[i] == doctest::Approx(2.0 * expected[i] / 255 - 1).epsilon(1e-7));

  const Image nan{1, 1, 2, {0, std::nanf("")}};
  CHECK(error_of([&] { write_png(folder / "nan.png", nan); }) ==
        folder / "nan.png: not written: the image holds NaN (channel 0, row 0, column 1)");
  CHECK(folder.entries() == std::vector<std::string>{"image.png"});
  CHECK(error_of([&] {
          write_png(folder / "x.png", Image{1, 2, 2, {0}});
        }) == "image of 2 x 2, 1-channel with 1 values, expected 4");
}

TEST_CASE("PNG: a photograph") {
  const Image image = read_image(TWEEDIE_TEST_DATA "/images/astronaut.png");
  CHECK(image.channels == 3);
  CHECK(image.height == 256);
  CHECK(image.width == 256);
  CHECK(read_image(TWEEDIE_TEST_DATA "/images/camera_gray.png").channels == 1);
}

TEST_CASE("PNG: gray of 1, 2, 4, 8 and 16 bits") {
  check_reads_as({5, 2, 1, PNG_COLOR_TYPE_GRAY, {{0b10110000}, {0b01001000}}, {}, {}}, 1, 1,
                 {1, 0, 1, 1, 0, 0, 1, 0, 0, 1});
  check_reads_as({3, 1, 2, PNG_COLOR_TYPE_GRAY, {{0b00011100}}, {}, {}}, 1, 3, {0, 1, 3});
  check_reads_as({3, 1, 4, PNG_COLOR_TYPE_GRAY, {{0x0F, 0x70}}, {}, {}}, 1, 15, {0, 15, 7});
  check_reads_as({2, 1, 8, PNG_COLOR_TYPE_GRAY, {{1, 200}}, {}, {}}, 1, 255, {1, 200});
  check_reads_as({2, 1, 16, PNG_COLOR_TYPE_GRAY, {{0x12, 0x34, 0xFF, 0xFE}}, {}, {}}, 1, 65535,
                 {0x1234, 0xFFFE});
}

TEST_CASE("PNG: RGB of 8 and 16 bits, interlaced") {
  check_reads_as({2, 1, 8, PNG_COLOR_TYPE_RGB, {{1, 2, 3, 4, 5, 6}}, {}, {}}, 3, 255, {1, 4, 2, 5, 3, 6});
  check_reads_as({1, 1, 16, PNG_COLOR_TYPE_RGB, {{1, 0, 2, 1, 3, 2}}, {}, {}}, 3, 65535, {256, 513, 770});
  PngContent content{9, 11, 8, PNG_COLOR_TYPE_GRAY, {}, {}, {}, true};
  std::vector<int> samples;
  for (int row = 0; row < 11; ++row) {
    content.rows.emplace_back();
    for (int column = 0; column < 9; ++column) {
      content.rows.back().push_back(std::uint8_t(20 * row + column));
      samples.push_back(20 * row + column);
    }
  }
  check_reads_as(content, 1, 255, samples);
}

TEST_CASE("PNG: palettes become RGB") {
  const std::vector<std::uint8_t> palette = {10, 20, 30, 255, 0, 5, 7, 8, 9};
  check_reads_as({3, 1, 8, PNG_COLOR_TYPE_PALETTE, {{2, 0, 1}}, palette, {}}, 3, 255,
                 {7, 10, 255, 8, 20, 0, 9, 30, 5});
  check_reads_as({3, 1, 2, PNG_COLOR_TYPE_PALETTE, {{0b10000100}}, palette, {}}, 3, 255,
                 {7, 10, 255, 8, 20, 0, 9, 30, 5});
}

TEST_CASE("PNG: alpha is dropped and that is said") {
  check_reads_as({2, 1, 8, PNG_COLOR_TYPE_GRAY_ALPHA, {{9, 0, 77, 128}}, {}, {}}, 1, 255, {9, 77},
                 ": alpha channel ignored");
  check_reads_as({1, 1, 8, PNG_COLOR_TYPE_RGB_ALPHA, {{9, 8, 7, 0}}, {}, {}}, 3, 255, {9, 8, 7},
                 ": alpha channel ignored");
  check_reads_as({1, 1, 16, PNG_COLOR_TYPE_RGB_ALPHA, {{1, 0, 2, 0, 3, 0, 4, 0}}, {}, {}}, 3, 65535,
                 {256, 512, 768}, ": alpha channel ignored");
  check_reads_as({2, 1, 8, PNG_COLOR_TYPE_PALETTE, {{1, 0}}, {1, 2, 3, 4, 5, 6}, {0, 99}}, 3, 255,
                 {4, 1, 5, 2, 6, 3}, ": transparent colours shown as opaque");
}

TEST_CASE("PNG: an orientation in an eXIf chunk is said, before and after the pixels") {
  const TemporaryFolder folder;
  const std::string path = folder / "turned.png";
  const std::string plain = png_file({2, 1, 8, PNG_COLOR_TYPE_GRAY, {{1, 200}}, {}, {}});
  const auto with_orientation = [&](std::size_t at, char orientation) {
    // Big-endian TIFF with one entry: tag 0x0112, type 3 (short), count 1, the value; no further directory.
    std::string chunk("eXIfMM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 23);
    chunk += orientation;
    chunk += std::string(6, '\0');
    const auto sum = crc32(0, reinterpret_cast<const Bytef*>(chunk.data()), uInt(chunk.size()));
    std::string whole("\0\0\0", 3);
    whole += char(chunk.size() - 4);
    whole += chunk;
    for (int shift = 24; shift >= 0; shift -= 8) whole += char(sum >> shift & 0xFF);
    write_bytes(path, plain.substr(0, at) + whole + plain.substr(at));
    std::vector<std::string> notes;
    CHECK(read_image(path, &notes).data.size() == 2);
    return notes;
  };
  const std::size_t before = plain.find("IDAT") - 4, after = plain.find("IEND") - 4;
  for (const std::size_t at : {before, after}) {
    CHECK(with_orientation(at, 6) ==
          std::vector<std::string>{path + ": EXIF orientation 6 ignored, read as stored"});
    CHECK(with_orientation(at, 1).empty());
    CHECK(with_orientation(at, 9).empty());
  }
}

TEST_CASE("PNG: every truncation is one clear error") {
  const TemporaryFolder folder;
  const std::string path = folder / "cut.png";
  PngContent interlaced{6, 5, 8, PNG_COLOR_TYPE_PALETTE, {}, {1, 2, 3, 4, 5, 6}, {7}, true};
  for (int row = 0; row < 5; ++row) interlaced.rows.push_back({0, 1, 0, 1, 1, std::uint8_t(row % 2)});
  write_png(path, noise(3, 9, 10));
  for (const std::string& whole : {read_bytes(path), png_file(interlaced)})
    for (std::size_t length = 0; length < whole.size(); ++length) {
      CAPTURE(length);
      write_bytes(path, whole.substr(0, length));
      const std::string text = error_of([&] { read_image(path); });
      CHECK(text.rfind(path + ": ", 0) == 0);
      if (length >= 8) CHECK(text.find("truncated PNG: the file ends early") != std::string::npos);
    }
}

TEST_CASE("PNG: a photograph cut short") {
  const TemporaryFolder folder;
  const std::string whole = read_bytes(TWEEDIE_TEST_DATA "/images/coffee.png");
  for (std::size_t length = 8; length < whole.size(); length += 1009) {
    write_bytes(folder / "cut.png", whole.substr(0, length));
    CHECK(error_of([&] { read_image(folder / "cut.png"); }) ==
          folder / "cut.png: truncated PNG: the file ends early");
  }
}

TEST_CASE("PNG: damaged pixels are an error") {
  const TemporaryFolder folder;
  const std::string path = folder / "damaged.png";
  write_png(path, noise(1, 20, 20));
  std::string bytes = read_bytes(path);
  bytes[bytes.size() / 2] ^= 0x10;
  write_bytes(path, bytes);
  CHECK(error_of([&] { read_image(path); }).rfind(path + ": corrupt PNG: ", 0) == 0);
}

TEST_CASE("PNG: no damage crashes, and an error is one line") {
  const TemporaryFolder folder;
  const std::string path = folder / "damaged.png";
  const std::string whole = png_file({4,
                                      3,
                                      8,
                                      PNG_COLOR_TYPE_PALETTE,
                                      {{0, 1, 2, 0}, {1, 1, 2, 2}, {0, 0, 2, 1}},
                                      {1, 2, 3, 4, 5, 6, 7, 8, 9},
                                      {5}});
  std::mt19937 generator(11);
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = whole;
    for (int flips = 1 + round % 3; flips > 0; --flips) bytes[generator() % bytes.size()] = char(generator());
    write_bytes(path, bytes);
    try {
      const Image image = read_image(path);
      CHECK_NOTHROW(require_valid(image));
    } catch (const Error& error) {
      ++refused;
      CHECK(std::string(error.what()).find('\n') == std::string::npos);
    }
  }
  CHECK(refused > 1000);  // chunks are protected by checksums
}

TEST_CASE("PNG: absurd sizes are refused before memory is taken") {
  const TemporaryFolder folder;
  const std::string path = folder / "huge.png";
  const auto claim = [&](std::uint32_t width, std::uint32_t height) {
    // A small file whose header claims another size, with the header's checksum made right.
    std::string bytes = png_file({1, 1, 8, PNG_COLOR_TYPE_GRAY, {{0}}, {}, {}});
    for (std::size_t i = 0; i < 4; ++i) {
      bytes[16 + i] = char(width >> (24 - 8 * i));
      bytes[20 + i] = char(height >> (24 - 8 * i));
    }
    std::uint32_t crc = 0xFFFFFFFF;  // CRC-32 of type and data (PNG specification, annex D)
    for (std::size_t i = 12; i < 29; ++i) {
      crc ^= static_cast<unsigned char>(bytes[i]);
      for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? 0xEDB88320u ^ (crc >> 1) : crc >> 1;
    }
    for (std::size_t i = 0; i < 4; ++i) bytes[29 + i] = char(~crc >> (24 - 8 * i));
    write_bytes(path, bytes);
    return error_of([&] { read_image(path); });
  };
  CHECK(claim(2000000000, 2000000000).find("image of 2000000000 x 2000000000 pixels") != std::string::npos);
  CHECK(claim(32769, 1).find("expected sides up to 32768") != std::string::npos);
  CHECK(claim(32768, 2049).find("at most 67108864 pixels") != std::string::npos);
  CHECK(claim(8000, 8000).find("too many for a file of") != std::string::npos);
  CHECK(claim(0, 5).find("corrupt PNG") != std::string::npos);
}

}  // namespace tweedie::test
