// What holds for images of either format: errors before decoding, masks, heat maps, sheets, padding.
#include "tools/image.hpp"

#include <png.h>

#include <cmath>
#include <filesystem>
#include <numeric>

#include "tests/tools/files_for_tests.hpp"
#include "tools/arrays.hpp"
#include "weights/hdf5_writer.hpp"

namespace tweedie::test {
namespace {

/// An image whose values are all different: 0, 1, 2, ... in storage order.
Image counting(int channels, int height, int width) {
  Image image = uniform_image(channels, height, width, 0);
  std::iota(image.data.begin(), image.data.end(), 0.0f);
  return image;
}

}  // namespace

TEST_CASE("an image file that is none says so") {
  const TemporaryFolder folder;
  CHECK(error_of([&] { read_image(folder / "none.png"); }) ==
        folder / "none.png: cannot open: No such file or directory");
  CHECK(error_of([&] { read_image(folder.path()); }) == folder.path() + ": is a directory, expected a file");
  write_bytes(folder / "empty.png", "");
  CHECK(error_of([&] { read_image(folder / "empty.png"); }) ==
        folder / "empty.png: empty file, expected a PNG, JPEG, TIFF or NumPy image");
  write_bytes(folder / "text.png", "GIF89a and so on");
  CHECK(error_of([&] { read_image(folder / "text.png"); }) ==
        folder / "text.png: neither a PNG, JPEG, TIFF nor NumPy image");
}

TEST_CASE("masks: half the peak and above is observed") {
  const TemporaryFolder folder;
  const std::string path = folder / "mask.png";
  write_bytes(path, png_file({4, 1, 8, PNG_COLOR_TYPE_GRAY, {{0, 127, 128, 255}}, {}, {}}));
  CHECK(read_mask(path, 1, 4) == std::vector<float>{0, 0, 1, 1});
  write_bytes(path, png_file({3, 2, 1, PNG_COLOR_TYPE_GRAY, {{0b10100000}, {0b01000000}}, {}, {}}));
  CHECK(read_mask(path, 2, 3) == std::vector<float>{1, 0, 1, 0, 1, 0});
  write_bytes(path, png_file({2, 1, 16, PNG_COLOR_TYPE_GRAY, {{0x7F, 0xFF, 0x80, 0x00}}, {}, {}}));
  CHECK(read_mask(path, 1, 2) == std::vector<float>{0, 1});
  write_bytes(path, png_file({2, 1, 8, PNG_COLOR_TYPE_RGB, {{9, 9, 9, 200, 200, 200}}, {}, {}}));
  CHECK(read_mask(path, 1, 2) == std::vector<float>{0, 1});
}

TEST_CASE("masks: another size or a colour is refused") {
  const TemporaryFolder folder;
  const std::string path = folder / "mask.png";
  write_bytes(path, png_file({4, 1, 8, PNG_COLOR_TYPE_GRAY, {{0, 127, 128, 255}}, {}, {}}));
  CHECK(error_of([&] { read_mask(path, 4, 1); }) ==
        path + ": mask of 4 x 1 pixels, expected 1 x 4, the size of the image");
  write_bytes(path, png_file({2, 1, 8, PNG_COLOR_TYPE_RGB, {{9, 9, 9, 200, 200, 0}}, {}, {}}));
  CHECK(error_of([&] { read_mask(path, 1, 2); }) ==
        path + ": coloured pixel at row 0, column 1: a mask is gray, white where the image is observed");
}

TEST_CASE("masks: one that says nothing is refused, with what was ignored of it") {
  const TemporaryFolder folder;
  const std::string path = folder / "mask.png";
  const auto error = [&](int bits, int type, const std::vector<std::uint8_t>& row) {
    write_bytes(path, png_file({2, 1, bits, type, {row}, {}, {}}));
    return error_of([&] { read_mask(path, 1, 2); }).substr(path.size());
  };
  const std::string dark = ": a mask without a white pixel: its brightest is at ",
                    full = ": the mask observes every pixel: nothing is left to restore";
  CHECK(error(8, PNG_COLOR_TYPE_GRAY, {0, 1}) == dark + "1 of 255; nothing would be observed");
  CHECK(error(16, PNG_COLOR_TYPE_GRAY, {0, 0, 0, 1}) == dark + "1 of 65535; nothing would be observed");
  CHECK(error(8, PNG_COLOR_TYPE_GRAY, {0, 0}) == dark + "0 of 255; nothing would be observed");
  CHECK(error(1, PNG_COLOR_TYPE_GRAY, {0b11000000}) == full);
  CHECK(error(8, PNG_COLOR_TYPE_GRAY_ALPHA, {0, 255, 0, 0}) ==
        dark + "0 of 255; nothing would be observed; alpha channel ignored");
  CHECK(error(8, PNG_COLOR_TYPE_RGB_ALPHA, {255, 255, 255, 255, 255, 255, 255, 0}) ==
        full + "; alpha channel ignored");
}

TEST_CASE("masks: arrays of zeros and ones, or of 0 and 255") {
  const TemporaryFolder folder;
  const std::string path = folder / "mask.npy", h5 = folder / "mask.h5";
  const auto error = [&](const Extents& shape, const std::vector<float>& values) {
    write_npy(path, shape, values);
    return error_of([&] { read_mask(path, 2, 2); }).substr(path.size());
  };
  const std::vector<float> expected{0, 1, 1, 0};
  for (const float observed : {1.f, 255.f})
    for (const Extents& shape : {Extents{2, 2}, Extents{1, 2, 2}, Extents{1, 1, 2, 2}}) {
      write_npy(path, shape, {0, observed, observed, 0});
      CHECK(read_mask(path, 2, 2) == expected);
    }
  CHECK(error({2, 2}, {0, 0.5f, 1, 0}) ==
        ": a mask with the value 0.5, expected zeros and ones (observed), or 0 and 255");
  CHECK(error({2, 2}, {0, 254, 255, 0}).find("value 254") != std::string::npos);
  CHECK(error({2, 2}, {0, -1, 1, 0}).find("value -1") != std::string::npos);
  CHECK(error({2, 2}, {0, 0, 0, 0}) == ": a mask of zeros alone; nothing would be observed");
  CHECK(error({2, 2}, {1, 1, 1, 1}) == ": the mask observes every pixel: nothing is left to restore");
  CHECK(error({2, 2}, {255, 255, 255, 255}) == ": the mask observes every pixel: nothing is left to restore");
  CHECK(error({1, 4}, {0, 1, 1, 0}) == ": a mask of shape (1, 4), expected (2, 2), the size of the image");
  {
    Hdf5Writer file(h5);
    file.array("image", {2, 2}, std::vector<float>{3, 3, 3, 3});
    file.array("mask", {2, 2}, expected);
    file.commit();
  }
  CHECK(read_mask(h5, 2, 2) == expected);
}

TEST_CASE("levels: what black and white are stored as") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  const auto read = [&](double black, double white) {
    return read_image(path, nullptr, Levels{black, white}).data;
  };
  write_npy(path, {1, 4}, {-1, 0, 1, 3});
  CHECK(read(-1, 1) == std::vector<float>{-1, 0, 1, 3});     // noise may go beyond
  CHECK(read(3, -1) == std::vector<float>{1, 0.5f, 0, -1});  // a negative
  CHECK(error_of([&] { read_image(path); }) == path +
                                                   ": a picture of real numbers with the value -1, expected "
                                                   "0 (black) to 1 (white); what else black and "
                                                   "white are is said with --black-white BLACK:WHITE");
  write_npy(path, {1, 2}, {1, std::nanf("")});
  CHECK(error_of([&] { read(0, 1); }) == path + ": a picture of real numbers with the value nan");
  // 12 bits in a 16-bit file.
  write_bytes(path, png_file({2, 1, 16, PNG_COLOR_TYPE_GRAY, {{0x0F, 0xFF, 0x00, 0x00}}, {}, {}}));
  CHECK(read(0, 4095) == std::vector<float>{1, -1});
}

TEST_CASE("heat maps: lightness rises evenly, values outside are held to the ends") {
  double previous = -1;
  std::vector<double> steps;
  for (int i = 0; i <= 32; ++i) {
    const auto colour = heat_colour(i / 32.0);
    double luminance = 0;  // CIE Y of sRGB
    const double weights[] = {0.2126, 0.7152, 0.0722};
    for (std::size_t c = 0; c < 3; ++c) {
      const double encoded = (colour[c] + 1) / 2;
      CHECK(encoded >= 0);
      CHECK(encoded <= 1);
      luminance +=
          weights[c] * (encoded <= 0.04045 ? encoded / 12.92 : std::pow((encoded + 0.055) / 1.055, 2.4));
    }
    const double lightness = 116 * std::cbrt(luminance) - 16;  // CIE L*, another scale than the map's own
    if (i > 0) steps.push_back(lightness - previous);
    previous = lightness;
  }
  // The two measures of lightness differ by a few tenths of a step where the colour is strong.
  const double mean = std::accumulate(steps.begin(), steps.end(), 0.0) / double(steps.size());
  for (const double step : steps) {
    CHECK(step > 0.5 * mean);
    CHECK(step < 1.5 * mean);
  }

  const TemporaryFolder folder;
  const std::string path = folder / "heat.png";
  write_heat_map(path, {-1, 0.1f, 0.3f, 0.5f, 0.5f, INFINITY}, 2, 3, 0.1f, 0.5f);
  const Image image = read_image(path);
  CHECK(image.channels == 3);
  CHECK(image.height == 2);
  CHECK(image.width == 3);
  const double shares[] = {0, 0, 0.5, 1, 1, 1};
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t i = 0; i < 6; ++i)
      CHECK(std::abs(image.data[c * 6 + i] - heat_colour(shares[i])[c]) <
            1.01 / 255);  // half a level of 8 bits
  CHECK(error_of([&] { write_heat_map(path, {1}, 1, 1, 0, 0); }) ==
        path + ": heat map from 0 to 0, expected the lower value first");
  CHECK(error_of([&] { write_heat_map(path, {1}, 1, 2, 0, 1); }) ==
        path + ": heat map of 2 x 1 pixels with 1 values");
  CHECK(error_of([&] {
          write_heat_map(path, {1, std::nanf("")}, 1, 2, 0, 1);
        }) == path + ": not written: the heat map holds NaN (row 0, column 1)");
}

TEST_CASE("gray and RGB") {
  const Image gray{1, 1, 2, {-1, 0.5f}};
  CHECK(to_rgb(gray).data == std::vector<float>{-1, 0.5f, -1, 0.5f, -1, 0.5f});
  CHECK(to_rgb(gray).channels == 3);
  CHECK(to_gray(to_rgb(gray)).data[1] == doctest::Approx(0.5));
  const Image primaries{3, 1, 3, {1, 0, 0, 0, 1, 0, 0, 0, 1}};
  const Image luma = to_gray(primaries);
  REQUIRE(luma.data.size() == 3);
  CHECK(luma.data[0] == doctest::Approx(0.299));
  CHECK(luma.data[1] == doctest::Approx(0.587));
  CHECK(luma.data[2] == doctest::Approx(0.114));
  CHECK(clipped({1, 1, 3, {-2, 0.25f, 7}}).data == std::vector<float>{-1, 0.25f, 1});
}

TEST_CASE("contact sheets") {
  const Image a{1, 1, 2, {0.1f, 0.2f}}, b{1, 1, 2, {0.3f, 0.4f}}, c{1, 1, 2, {0.5f, 0.6f}};
  const Image sheet = contact_sheet({a, b, c}, 2, 1);
  CHECK(sheet.height == 3);
  CHECK(sheet.width == 5);
  CHECK(sheet.data == std::vector<float>{0.1f, 0.2f, 1, 0.3f, 0.4f, 1, 1, 1, 1, 1, 0.5f, 0.6f, 1, 1, 1});
  CHECK(contact_sheet({a, b}, 5, 0).data == std::vector<float>{0.1f, 0.2f, 0.3f, 0.4f});

  const Image colour{3, 1, 2, {1, 2, 3, 4, 5, 6}};
  CHECK(contact_sheet({a, colour}, 1, 0).data ==
        std::vector<float>{0.1f, 0.2f, 1, 2, 0.1f, 0.2f, 3, 4, 0.1f, 0.2f, 5, 6});
  CHECK(error_of([&] {
          contact_sheet({a, uniform_image(1, 2, 1, 0)}, 1);
        }) == "contact sheet of images of 2 x 1 and 1 x 2 pixels, expected one size");
  CHECK(error_of([&] { contact_sheet({}, 1); }) == "contact sheet of 0 images in 1 columns, 4 pixels apart");
}

TEST_CASE("reflection repeats no edge, at any distance") {
  const int expected[] = {1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2};  // from -1, on 4 samples
  for (int i = 0; i < 12; ++i) CHECK(reflect_index(i - 1, 4) == expected[i]);
  CHECK(reflect_index(-7, 3) == 1);
  CHECK(reflect_index(6000000001LL, 2) == 1);
  for (int i = -3; i <= 3; ++i) CHECK(reflect_index(i, 1) == 0);
  CHECK(error_of([&] { reflect_index(0, 0); }) == "reflection on 0 samples");
}

TEST_CASE("padding by reflection and back") {
  const Image small{1, 2, 3, {0, 1, 2, 3, 4, 5}};
  const Image padded = pad_reflect(small, 4);
  CHECK(padded.height == 4);
  CHECK(padded.width == 4);
  CHECK(padded.data == std::vector<float>{0, 1, 2, 1, 3, 4, 5, 4, 0, 1, 2, 1, 3, 4, 5, 4});
  CHECK(pad_reflect(small, 1).data == small.data);

  for (const auto& [channels, height, width, multiple] :
       {std::array{3, 5, 7, 32}, {1, 1, 9, 8}, {3, 1, 1, 16}, {1, 16, 32, 16}}) {
    const Image image = counting(channels, height, width);
    const Image large = pad_reflect(image, multiple);
    CHECK(large.height % multiple == 0);
    CHECK(large.width % multiple == 0);
    CHECK(large.height - height < multiple);
    CHECK(large.width - width < multiple);
    CHECK(crop(large, 0, 0, height, width).data == image.data);
  }
}

TEST_CASE("crop") {
  const Image image = counting(3, 3, 4);
  const Image part = crop(image, 1, 2, 2, 1);
  CHECK(part.channels == 3);
  CHECK(part.height == 2);
  CHECK(part.width == 1);
  CHECK(part.data == std::vector<float>{6, 10, 18, 22, 30, 34});
  CHECK(error_of([&] { crop(image, 2, 0, 2, 4); }) ==
        "crop of 4 x 2 pixels at row 2, column 0 from an image of 4 x 3");
}

}  // namespace tweedie::test
