#include "tools/restore/pictures.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

Image enlarged(const Image& x, int height, int width) {
  if (x.height == height && x.width == width) return x;
  Image y = uniform_image(x.channels, height, width, 0);
  for (int c = 0; c < y.channels; ++c)
    for (int h = 0; h < height; ++h)
      for (int w = 0; w < width; ++w)
        y.data[y.index(c, h, w)] = x.data[x.index(c, h * x.height / height, w * x.width / width)];
  return y;
}

Image mean_of(const std::vector<Image>& samples) {
  Image mean = samples[0];
  for (std::size_t i = 0; i < mean.data.size(); ++i) {
    double sum = 0;
    for (const Image& sample : samples) sum += sample.data[i];
    mean.data[i] = float(sum / double(samples.size()));
  }
  return mean;
}

// Root mean square over the channels of the samples' standard deviations.
std::vector<float> deviation(const std::vector<Image>& samples, const Image& mean) {
  std::vector<float> map(mean.plane());
  for (std::size_t p = 0; p < map.size(); ++p) {
    double sum = 0;
    for (int c = 0; c < mean.channels; ++c)
      for (const Image& sample : samples) {
        const std::size_t i = std::size_t(c) * mean.plane() + p;
        sum += std::pow(double(sample.data[i]) - mean.data[i], 2);
      }
    map[p] = float(std::sqrt(sum / (double(samples.size() - 1) * mean.channels)));
  }
  return map;
}

}  // namespace

Pictures write_pictures(const std::string& folder, const std::optional<Image>& original,
                        const Image& measurement, const std::vector<Image>& samples) {
  const auto path = [&](const std::string& name) { return (std::filesystem::path(folder) / name).string(); };
  const Image mean = mean_of(samples);
  const Pictures pictures{enlarged(measurement, mean.height, mean.width), mean};
  write_png(path("measurement.png"), measurement);
  write_png(path("restored.png"), mean);
  std::vector<Image> row;
  if (original) {
    write_png(path("original.png"), *original);
    row.push_back(*original);
  }
  row.push_back(pictures.before);
  row.push_back(mean);
  write_png(path("comparison.png"), contact_sheet(row, int(row.size())));
  if (samples.size() > 1) {
    for (std::size_t i = 0; i < samples.size(); ++i)
      write_png(path(message("sample_", i + 1, ".png")), samples[i]);
    const std::vector<float> map = deviation(samples, mean);
    const float high = std::max(*std::max_element(map.begin(), map.end()), 1e-6f);
    write_heat_map(path("standard_deviation.png"), map, mean.height, mean.width, 0, high);
  }
  return pictures;
}

}  // namespace tweedie
