#include "tools/image.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <numbers>

#include "kernels/error.hpp"
#include "tools/codec.hpp"
#include "tools/files.hpp"

namespace tweedie {
namespace {

// Larger than any file of an image within the limits that is worth reading: 16-bit RGB, not compressed.
constexpr std::size_t max_file_bytes = std::size_t(512) << 20;

Raster read_raster(const std::string& path, std::vector<std::string>* notes) {
  const std::string bytes = read_file(path, max_file_bytes);
  require(!bytes.empty(), path, ": empty file, expected a PNG or JPEG image");
  std::vector<std::string> found;
  Raster raster;
  if (is_png(bytes))
    raster = decode_png(bytes, path, found);
  else if (is_jpeg(bytes))
    raster = decode_jpeg(bytes, path, found);
  else
    throw Error(path + ": neither a PNG nor a JPEG image");
  if (notes) notes->insert(notes->end(), found.begin(), found.end());
  return raster;
}

}  // namespace

void require_sane_size(const std::string& name, std::uint64_t width, std::uint64_t height) {
  require(width > 0 && height > 0, name, ": image of ", width, " x ", height, " pixels");
  require(width <= max_image_side && height <= max_image_side && width * height <= max_image_pixels, name,
          ": image of ", width, " x ", height, " pixels, expected sides up to ", max_image_side,
          " and at most ", max_image_pixels, " pixels in all");
}

Image uniform_image(int channels, int height, int width, float value) {
  Image image{channels, height, width, {}};
  image.data.assign(std::size_t(channels) * image.plane(), value);
  return image;
}

std::string describe(const Image& image) {
  return message(image.width, " x ", image.height, ", ", image.channels, "-channel");
}

void require_valid(const Image& image) {
  require(image.channels == 1 || image.channels == 3, "image of ", image.channels,
          " channels, expected 1 or 3");
  require(image.height > 0 && image.width > 0, "image of ", image.width, " x ", image.height, " pixels");
  require(image.data.size() == std::size_t(image.channels) * image.plane(), "image of ", describe(image),
          " with ", image.data.size(), " values, expected ", std::size_t(image.channels) * image.plane());
}

Image read_image(const std::string& path, std::vector<std::string>* notes) {
  const Raster raster = read_raster(path, notes);
  Image image = uniform_image(raster.channels, raster.height, raster.width, 0);
  const auto channels = std::size_t(raster.channels);
  for (std::size_t pixel = 0; pixel < image.plane(); ++pixel)
    for (std::size_t c = 0; c < channels; ++c)
      image.data[c * image.plane() + pixel] =
          float(2.0 * raster.sample(pixel * channels + c) / raster.peak - 1);
  return image;
}

bool is_image_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char start[16] = {};
  file.read(start, sizeof start);
  const std::string_view bytes(start, std::size_t(file.gcount()));
  return is_png(bytes) || is_jpeg(bytes);
}

void write_png(const std::string& path, const Image& image) {
  require_valid(image);
  Raster raster{image.channels, image.height, image.width, 255, {}};
  raster.bytes.resize(image.data.size());
  const auto channels = std::size_t(image.channels);
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t pixel = 0; pixel < image.plane(); ++pixel) {
      const float value = image.data[c * image.plane() + pixel];
      require(!std::isnan(value), path, ": not written: the image holds NaN (channel ", c, ", row ",
              pixel / std::size_t(image.width), ", column ", pixel % std::size_t(image.width), ")");
      const double level = 255 * (std::clamp(double(value), -1.0, 1.0) + 1) / 2;
      raster.bytes[pixel * channels + c] = static_cast<std::uint8_t>(std::lround(level));
    }
  atomic_write(path, encode_png(raster, path));
}

std::vector<float> read_mask(const std::string& path, int height, int width,
                             std::vector<std::string>* notes) {
  const Raster raster = read_raster(path, notes);
  require(raster.height == height && raster.width == width, path, ": mask of ", raster.width, " x ",
          raster.height, " pixels, expected ", width, " x ", height, ", the size of the image");
  std::vector<float> mask;
  mask.reserve(std::size_t(height) * std::size_t(width));
  const auto channels = std::size_t(raster.channels);
  for (std::size_t i = 0; i < raster.count(); i += channels) {
    const int value = raster.sample(i);
    for (std::size_t c = 1; c < channels; ++c)
      require(raster.sample(i + c) == value, path, ": coloured pixel at row ",
              mask.size() / std::size_t(width), ", column ", mask.size() % std::size_t(width),
              ": a mask is gray, white where the image is observed");
    mask.push_back(2 * value > raster.peak ? 1.0f : 0.0f);
  }
  return mask;
}

std::array<float, 3> heat_colour(double t) {
  // Lightness rises evenly, the hue turns from violet blue over green to yellow. At this chroma no channel
  // leaves sRGB by more than 0.011 (on linear light) anywhere on the way.
  const double lightness = 0.25 + 0.65 * t, chroma = 0.10;
  const double hue = (300 - 200 * t) * std::numbers::pi / 180;
  const double a = chroma * std::cos(hue), b = chroma * std::sin(hue);
  // OKLab to linear sRGB.
  const double l = std::pow(lightness + 0.3963377774 * a + 0.2158037573 * b, 3);
  const double m = std::pow(lightness - 0.1055613458 * a - 0.0638541728 * b, 3);
  const double s = std::pow(lightness - 0.0894841775 * a - 1.2914855480 * b, 3);
  const std::array<double, 3> linear = {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
                                        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
                                        -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
  std::array<float, 3> colour{};
  for (std::size_t c = 0; c < 3; ++c) {
    const double x = std::clamp(linear[c], 0.0, 1.0);
    const double encoded = x <= 0.0031308 ? 12.92 * x : 1.055 * std::pow(x, 1 / 2.4) - 0.055;
    colour[c] = float(2 * encoded - 1);
  }
  return colour;
}

void write_heat_map(const std::string& path, const std::vector<float>& values, int height, int width,
                    float low, float high) {
  require(low < high, path, ": heat map from ", low, " to ", high, ", expected the lower value first");
  Image image = uniform_image(3, height, width, 0);
  require(values.size() == image.plane(), path, ": heat map of ", width, " x ", height, " pixels with ",
          values.size(), " values");
  for (std::size_t i = 0; i < values.size(); ++i) {
    require(!std::isnan(values[i]), path, ": not written: the heat map holds NaN (row ",
            i / std::size_t(width), ", column ", i % std::size_t(width), ")");
    const std::array<float, 3> colour =
        heat_colour(std::clamp((double(values[i]) - low) / (double(high) - low), 0.0, 1.0));
    for (std::size_t c = 0; c < 3; ++c) image.data[c * image.plane() + i] = colour[c];
  }
  write_png(path, image);
}

}  // namespace tweedie
