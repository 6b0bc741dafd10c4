#include "tools/restore/pictures.hpp"

#include <algorithm>
#include <filesystem>

#include "kernels/error.hpp"
#include "tools/posterior.hpp"

namespace tweedie {
Image resized(const Image& x, int height, int width) {
  if (x.height == height && x.width == width) return x;
  Image y = uniform_image(x.channels, height, width, 0);
  for (int c = 0; c < y.channels; ++c)
    for (int h = 0; h < height; ++h)
      for (int w = 0; w < width; ++w)
        y.data[y.index(c, h, w)] = x.data[x.index(c, h * x.height / height, w * x.width / width)];
  return y;
}

namespace {

/// What a run writes only sometimes: an earlier run's would be taken for this one's.
void remove_old_pictures(const std::string& folder) {
  std::vector<std::filesystem::path> old;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool sample = name.starts_with("sample_") && name.ends_with(".png") && name.size() > 11 &&
                        name.find_first_not_of("0123456789", 7) == name.size() - 4;
    if (sample || name == "original.png" || name == "standard_deviation.png") old.push_back(entry.path());
  }
  for (const std::filesystem::path& each : old) std::filesystem::remove(each);
}

}  // namespace

void write_pictures(const std::string& folder, const std::optional<Image>& original, const Views& views,
                    const Image& restored, const std::vector<Image>& samples) {
  const auto path = [&](const std::string& name) { return (std::filesystem::path(folder) / name).string(); };
  remove_old_pictures(folder);
  write_png(path("measurement.png"), views.measurement);
  write_png(path("restored.png"), restored);
  std::vector<Image> row;
  if (original) {
    write_png(path("original.png"), *original);
    row.push_back(*original);
  }
  row.push_back(views.before ? *views.before : resized(views.measurement, restored.height, restored.width));
  row.push_back(restored);
  write_png(path("comparison.png"), contact_sheet(row, int(row.size())));
  if (samples.size() < 2) return;
  for (std::size_t i = 0; i < samples.size(); ++i)
    write_png(path(message("sample_", i + 1, ".png")), samples[i]);
  const std::vector<float> map = deviation_of(samples, restored);
  const float high = std::max(*std::max_element(map.begin(), map.end()), 1e-6f);
  write_heat_map(path("standard_deviation.png"), map, restored.height, restored.width, 0, high);
}

}  // namespace tweedie
