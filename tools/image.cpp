#include "tools/image.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>

#include "kernels/error.hpp"
#include "tools/arrays.hpp"
#include "tools/codec.hpp"
#include "tools/files.hpp"
#include "weights/npy_file.hpp"

namespace tweedie {
namespace {

// Larger than any file of an image within the limits that is worth reading: 16-bit RGB, not compressed.
constexpr std::size_t max_file_bytes = std::size_t(512) << 20;

Image image_of(const Raster& raster, const std::optional<Levels>& levels) {
  const Levels as = levels.value_or(Levels{0, double(raster.peak)});
  Image image = uniform_image(raster.channels, raster.height, raster.width, 0);
  const auto channels = std::size_t(raster.channels);
  for (std::size_t pixel = 0; pixel < image.plane(); ++pixel)
    for (std::size_t c = 0; c < channels; ++c)
      image.data[c * image.plane() + pixel] =
          float(2.0 * (raster.sample(pixel * channels + c) - as.black) / (as.white - as.black) - 1);
  return image;
}

constexpr const char* said_otherwise =
    "; what else black and white are is said with --black-white BLACK:WHITE";

/// What white is stored as: the largest number of an unsigned type, or 1.
double white_of(const std::string& type, const std::string& path) {
  if (type == "|u1") return 255;
  if (type == "<u2") return 65535;
  if (type == "<u4") return 4294967295.0;
  require(type == "|b1" || type[1] == 'f', path, ": a picture of the type '", type,
          "', expected unsigned numbers of 8, 16 or 32 bits, or real ones from 0 to 1", said_otherwise);
  return 1;
}

/// Planar samples, black at 0 where `levels` does not say otherwise.
Image scaled(int channels, int height, int width, const std::vector<float>& samples, const std::string& type,
             const std::string& path, const std::optional<Levels>& levels) {
  // As samples of 32 bits were rounded.
  const Levels as = levels ? *levels : Levels{0, double(float(white_of(type, path)))};
  Image image = uniform_image(channels, height, width, 0);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const float value = samples[i];
    require(levels ? std::isfinite(value) : value >= 0 && value <= as.white, path,
            ": a picture of real numbers with the value ", value,
            levels ? "" : ", expected 0 (black) to 1 (white)", levels ? "" : said_otherwise);
    image.data[i] = float(2 * (value - as.black) / (as.white - as.black) - 1);
  }
  return image;
}

/// A picture of a NumPy array: (H, W), (C, H, W) or (H, W, C) with C of 1 or 3; axes of 1 before them are
/// dropped.
Image image_of(const NpyArray& array, const std::string& path, const std::optional<Levels>& levels) {
  Extents shape = array.shape();
  while (shape.size() > 3 && shape[0] == 1) shape.erase(shape.begin());
  const auto colours = [](std::int64_t n) { return n == 1 || n == 3; };
  const bool first = shape.size() == 3 && colours(shape[0]),
             last = shape.size() == 3 && colours(shape[2]) && !first;
  require(shape.size() == 2 || first || last, path, ": an array of shape ", to_string(array.shape()),
          ", expected a picture: (H, W), (C, H, W) or (H, W, C) with C of 1 or 3");
  if (shape.size() == 2) shape.insert(shape.begin(), 1);
  const std::int64_t channels = last ? shape[2] : shape[0];
  const std::int64_t height = last ? shape[0] : shape[1], width = last ? shape[1] : shape[2];
  require_sane_size(path, std::uint64_t(width), std::uint64_t(height));
  std::vector<float> samples = array.floats();
  if (last && channels > 1) {
    const std::vector<float> pixels = samples;
    const std::size_t plane = std::size_t(height) * std::size_t(width), count = std::size_t(channels);
    for (std::size_t i = 0; i < plane; ++i)
      for (std::size_t c = 0; c < count; ++c) samples[c * plane + i] = pixels[i * count + c];
  }
  return scaled(int(channels), int(height), int(width), samples, array.type(), path, levels);
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

Image read_image(const std::string& path, std::vector<std::string>* notes,
                 const std::optional<Levels>& levels) {
  const std::string bytes = read_file(path, max_file_bytes);
  require(!bytes.empty(), path, ": empty file, expected a PNG, JPEG, TIFF or NumPy image");
  std::vector<std::string> found;
  Image image;
  if (is_png(bytes)) {
    image = image_of(decode_png(bytes, path, found), levels);
  } else if (is_jpeg(bytes)) {
    image = image_of(decode_jpeg(bytes, path, found), levels);
  } else if (is_tiff(bytes, bytes.size())) {
    const TiffSamples tiff = decode_tiff(bytes, path, found);
    image = scaled(tiff.channels, tiff.height, tiff.width, tiff.values, tiff.type, path, levels);
  } else {
    const auto source = open_file(path);
    require(is_npy(*source), path, ": neither a PNG, JPEG, TIFF nor NumPy image");
    image = image_of(NpyArray::read(*source), path, levels);
  }
  if (notes) notes->insert(notes->end(), found.begin(), found.end());
  return image;
}

bool is_image_file(const std::string& path) {
  std::error_code failure;
  const std::uintmax_t size = std::filesystem::file_size(path, failure);
  std::ifstream file(path, std::ios::binary);
  char start[16] = {};
  file.read(start, sizeof start);
  const std::string_view bytes(start, std::size_t(file.gcount()));
  return !failure && (is_png(bytes) || is_jpeg(bytes) || is_tiff(bytes, size));
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

namespace {

/// "127 of 255"; of what 8 bits cannot say, "1 of 65535".
std::string level_of(double part) {
  const double bytes = 255 * part;
  if (std::abs(bytes - std::round(bytes)) < 1e-4) return message(std::round(bytes), " of 255");
  return message(std::round(65535 * part), " of 65535");
}

void require_something_lost(const std::string& path, std::size_t observed, std::size_t pixels,
                            const std::string& ignored) {
  require(observed < pixels, path, ": the mask observes every pixel: nothing is left to restore", ignored);
}

/// Zeros and ones, (height, width).
std::vector<float> read_mask_array(const std::string& path, int height, int width) {
  Array array = read_array_called(path, "mask");
  Extents shape = array.shape;
  while (shape.size() > 2 && shape[0] == 1) shape.erase(shape.begin());
  require(shape == Extents{height, width}, array.name, ": a mask of shape ", to_string(array.shape),
          ", expected (", height, ", ", width, "), the size of the image");
  const float observed = *std::max_element(array.values.begin(), array.values.end()) == 255 ? 255.f : 1.f;
  for (float& v : array.values) {
    require(v == 0 || v == observed, array.name, ": a mask with the value ", v,
            ", expected zeros and ones (observed), or 0 and 255");
    v = v == 0 ? 0.f : 1.f;
  }
  const auto seen = std::count(array.values.begin(), array.values.end(), 1.f);
  require(seen > 0, array.name, ": a mask of zeros alone; nothing would be observed");
  require_something_lost(array.name, std::size_t(seen), array.values.size(), "");
  return std::move(array.values);
}

}  // namespace

std::vector<float> read_mask(const std::string& path, int height, int width,
                             std::vector<std::string>* notes) {
  if (is_array_file(path) && !is_image_file(path)) return read_mask_array(path, height, width);
  std::vector<std::string> found;
  const Image image = read_image(path, &found);
  if (notes) notes->insert(notes->end(), found.begin(), found.end());
  require(image.height == height && image.width == width, path, ": mask of ", image.width, " x ",
          image.height, " pixels, expected ", width, " x ", height, ", the size of the image");
  std::vector<float> mask;
  mask.reserve(image.plane());
  std::size_t soft = 0, observed = 0;
  float highest = -1;
  for (std::size_t i = 0; i < image.plane(); ++i) {
    const float value = image.data[i];
    for (int c = 1; c < image.channels; ++c)
      require(image.data[std::size_t(c) * image.plane() + i] == value, path, ": coloured pixel at row ",
              i / std::size_t(width), ", column ", i % std::size_t(width),
              ": a mask is gray, white where the image is observed");
    mask.push_back(value > 0 ? 1.0f : 0.0f);  // 0 is half of the peak
    observed += value > 0;
    soft += value != -1 && value != 1;
    highest = std::max(highest, value);
  }
  // Whoever drew the mask as an alpha channel is to know why it looks empty, or full.
  std::string ignored;
  for (const std::string& note : found) ignored += "; " + note.substr(std::min(note.size(), path.size() + 2));
  require(highest > 0, path, ": a mask without a white pixel: its brightest is at ",
          level_of((double(highest) + 1) / 2), "; nothing would be observed", ignored);
  require_something_lost(path, observed, mask.size(), ignored);
  if (soft > 0 && notes)
    notes->push_back(message(path, ": ", soft, " of ", mask.size(),
                             " pixels are neither black nor white: those brighter than half are taken as "
                             "observed"));
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
