// Images to images: channels, sheets, padding.
#include <algorithm>

#include "kernels/error.hpp"
#include "tools/image.hpp"

namespace tweedie {

Image to_rgb(const Image& image) {
  require_valid(image);
  if (image.channels == 3) return image;
  Image out = image;
  out.channels = 3;
  for (int copy = 0; copy < 2; ++copy) out.data.insert(out.data.end(), image.data.begin(), image.data.end());
  return out;
}

Image to_gray(const Image& image) {
  require_valid(image);
  if (image.channels == 1) return image;
  Image out = uniform_image(1, image.height, image.width, 0);
  const float* red = image.data.data();
  const float* green = red + image.plane();
  const float* blue = green + image.plane();
  for (std::size_t i = 0; i < image.plane(); ++i)
    out.data[i] = float(0.299 * red[i] + 0.587 * green[i] + 0.114 * blue[i]);
  return out;
}

Image clipped(const Image& image) {
  Image out = image;
  for (float& value : out.data) value = std::clamp(value, -1.0f, 1.0f);
  return out;
}

Image contact_sheet(const std::vector<Image>& images, int columns, int gap) {
  require(!images.empty() && columns > 0 && gap >= 0, "contact sheet of ", images.size(), " images in ",
          columns, " columns, ", gap, " pixels apart");
  const int height = images[0].height, width = images[0].width;
  int channels = 1;
  for (const Image& image : images) {
    require_valid(image);
    require(image.height == height && image.width == width, "contact sheet of images of ", width, " x ",
            height, " and ", image.width, " x ", image.height, " pixels, expected one size");
    channels = std::max(channels, image.channels);
  }
  const int count = int(images.size());
  columns = std::min(columns, count);
  const int rows = (count + columns - 1) / columns;
  Image sheet = uniform_image(channels, rows * (height + gap) - gap, columns * (width + gap) - gap, 1);
  for (int i = 0; i < count; ++i) {
    const Image& image = images[std::size_t(i)];
    const int top = i / columns * (height + gap), left = i % columns * (width + gap);
    for (int c = 0; c < channels; ++c)
      for (int row = 0; row < height; ++row) {
        const float* from = &image.data[image.index(std::min(c, image.channels - 1), row, 0)];
        std::copy(from, from + width, &sheet.data[sheet.index(c, top + row, left)]);
      }
  }
  return sheet;
}

int reflect_index(long long i, int n) {
  require(n > 0, "reflection on ", n, " samples");
  if (n == 1) return 0;
  const long long period = 2 * (static_cast<long long>(n) - 1);
  const long long phase = ((i % period) + period) % period;
  return static_cast<int>(std::min(phase, period - phase));
}

Image pad_reflect(const Image& image, int multiple) {
  require_valid(image);
  require(multiple > 0, "padding to multiples of ", multiple);
  const auto padded = [&](int size) { return (size + multiple - 1) / multiple * multiple; };
  Image out = uniform_image(image.channels, padded(image.height), padded(image.width), 0);
  for (int c = 0; c < out.channels; ++c)
    for (int row = 0; row < out.height; ++row)
      for (int column = 0; column < out.width; ++column)
        out.data[out.index(c, row, column)] =
            image.data[image.index(c, reflect_index(row, image.height), reflect_index(column, image.width))];
  return out;
}

Image crop(const Image& image, int top, int left, int height, int width) {
  require_valid(image);
  require(top >= 0 && left >= 0 && height > 0 && width > 0 && height <= image.height - top &&
              width <= image.width - left,
          "crop of ", width, " x ", height, " pixels at row ", top, ", column ", left, " from an image of ",
          image.width, " x ", image.height);
  Image out = uniform_image(image.channels, height, width, 0);
  for (int c = 0; c < out.channels; ++c)
    for (int row = 0; row < height; ++row) {
      const float* from = &image.data[image.index(c, top + row, left)];
      std::copy(from, from + width, &out.data[out.index(c, row, 0)]);
    }
  return out;
}

}  // namespace tweedie
