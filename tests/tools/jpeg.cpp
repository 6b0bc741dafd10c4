// JPEG files: gray and colour, what is refused and what is said, damage at every place.
#include <cmath>
#include <random>

#include "tests/tools/files_for_tests.hpp"
#include "tools/image.hpp"

namespace tweedie::test {
namespace {

/// A smooth picture, interleaved: a JPEG of high quality keeps it to within a few levels.
std::vector<std::uint8_t> waves(int components, int height, int width) {
  std::vector<std::uint8_t> samples;
  for (int row = 0; row < height; ++row)
    for (int column = 0; column < width; ++column)
      for (int c = 0; c < components; ++c)
        samples.push_back(std::uint8_t(128 + 100 * std::sin(0.2 * row + 0.1 * column + 2 * c)));
  return samples;
}

}  // namespace

TEST_CASE("JPEG: gray and colour, baseline and progressive, are recognised by content") {
  const TemporaryFolder folder;
  const std::string path = folder / "photo.png";  // the wrong extension, on purpose
  for (const int components : {1, 3})
    for (const bool progressive : {false, true}) {
      CAPTURE(components);
      CAPTURE(progressive);
      const int height = 21, width = 34;
      const std::vector<std::uint8_t> samples = waves(components, height, width);
      write_bytes(path, jpeg_file(components, height, width, samples, 100, progressive));
      std::vector<std::string> notes;
      const Image image = read_image(path, &notes);
      CHECK(notes.empty());
      REQUIRE(image.channels == components);
      REQUIRE(image.height == height);
      REQUIRE(image.width == width);
      double worst = 0;
      for (int c = 0; c < components; ++c)
        for (std::size_t pixel = 0; pixel < image.plane(); ++pixel) {
          const double level = 127.5 * (image.data[std::size_t(c) * image.plane() + pixel] + 1);
          worst =
              std::max(worst, std::abs(level - samples[pixel * std::size_t(components) + std::size_t(c)]));
        }
      // At quality 100 gray errs by its rounding alone. In colour, chroma is stored at half the resolution,
      // which on these waves and at the odd edges costs up to 16 levels. A swapped channel or row costs 100.
      CHECK(worst <= (components == 1 ? 2 : 20));
    }
}

TEST_CASE("JPEG: an EXIF orientation is said, and not applied") {
  const TemporaryFolder folder;
  const std::string path = folder / "turned.jpg";
  write_bytes(path, jpeg_file(1, 8, 16, waves(1, 8, 16), 90, false, 6));
  std::vector<std::string> notes;
  const Image image = read_image(path, &notes);
  CHECK(image.height == 8);
  CHECK(image.width == 16);
  REQUIRE(notes.size() == 1);
  CHECK(notes[0] == path + ": EXIF orientation 6 ignored, read as stored");
  write_bytes(path, jpeg_file(1, 8, 16, waves(1, 8, 16), 90, false, 1));
  notes.clear();
  read_image(path, &notes);
  CHECK(notes.empty());
}

TEST_CASE("JPEG: CMYK is refused") {
  const TemporaryFolder folder;
  const std::string path = folder / "print.jpg";
  write_bytes(path, jpeg_file(4, 8, 8, waves(4, 8, 8), 90));
  CHECK(error_of([&] { read_image(path); }) ==
        path + ": unsupported JPEG of 4 components (CMYK?), expected gray or colour; convert it to RGB");
}

TEST_CASE("JPEG: every truncation is one clear error") {
  const TemporaryFolder folder;
  const std::string path = folder / "cut.jpg";
  for (const bool progressive : {false, true}) {
    const std::string whole = jpeg_file(3, 17, 19, waves(3, 17, 19), 80, progressive, 3);
    for (std::size_t length = 0; length < whole.size(); ++length) {
      CAPTURE(progressive);
      CAPTURE(length);
      write_bytes(path, whole.substr(0, length));
      const std::string text = error_of([&] { read_image(path); });
      CHECK(text.rfind(path + ": ", 0) == 0);
      if (length > 3) CHECK(text.find("JPEG: ") != std::string::npos);
    }
  }
}

TEST_CASE("JPEG: no damage crashes, and an error is one line") {
  const TemporaryFolder folder;
  const std::string path = folder / "damaged.jpg";
  int refused = 0, read = 0;
  for (const bool progressive : {false, true}) {
    const std::string whole = jpeg_file(3, 16, 24, waves(3, 16, 24), 75, progressive, 8);
    std::mt19937 generator(5);
    for (int round = 0; round < 2000; ++round) {
      std::string bytes = whole;
      for (int flips = 1 + round % 3; flips > 0; --flips)
        bytes[generator() % bytes.size()] = char(generator());
      write_bytes(path, bytes);
      try {
        const Image image = read_image(path);
        CHECK_NOTHROW(require_valid(image));
        ++read;
      } catch (const Error& error) {
        CHECK(std::string(error.what()).find('\n') == std::string::npos);
        ++refused;
      }
    }
  }
  CHECK(refused > 500);  // damaged headers and lost synchronisation
  CHECK(read > 500);     // JPEG has no checksum: damaged coefficients are a picture still
}

TEST_CASE("JPEG: absurd sizes and endless scans are refused") {
  const TemporaryFolder folder;
  const std::string path = folder / "huge.jpg";
  std::string bytes = jpeg_file(1, 8, 8, waves(1, 8, 8), 75);
  const std::size_t frame = bytes.find("\xff\xc0");  // then length (2), precision (1), height (2), width (2)
  REQUIRE(frame != std::string::npos);
  for (std::size_t i = 0; i < 4; ++i) bytes[frame + 5 + i] = char(i % 2 ? 0x01 : 0x80);  // 32769 x 32769
  write_bytes(path, bytes);
  CHECK(error_of([&] { read_image(path); }).find("image of 32769 x 32769 pixels") != std::string::npos);

  bytes = jpeg_file(1, 64, 64, waves(1, 64, 64), 75, true);
  // From the last start of scan to the end-of-image marker, the scan is repeated.
  const std::size_t scan = bytes.rfind("\xff\xda"), end = bytes.rfind("\xff\xd9");
  REQUIRE(scan != std::string::npos);
  std::string many = bytes.substr(0, end);
  for (int i = 0; i < 600; ++i) many += bytes.substr(scan, end - scan);
  write_bytes(path, many + bytes.substr(end));
  CHECK(error_of([&] { read_image(path); }) == path + ": corrupt JPEG: more than 500 scans");
}

}  // namespace tweedie::test
