#include "tools/restore/pictures.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

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

std::vector<std::string> write_pictures(const std::string& folder, const std::optional<Image>& original,
                                        const Views& views, const Image& restored,
                                        const std::vector<Image>& samples) {
  std::vector<std::string> written;
  const auto path = [&](const std::string& name) {
    written.push_back(name);
    return (std::filesystem::path(folder) / name).string();
  };
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
  if (samples.size() < 2) return written;
  for (std::size_t i = 0; i < samples.size(); ++i)
    write_png(path(message("sample_", i + 1, ".png")), samples[i]);
  const std::vector<float> map = deviation_of(samples, restored);
  const float high = std::max(*std::max_element(map.begin(), map.end()), 1e-6f);
  write_heat_map(path("standard_deviation.png"), map, restored.height, restored.width, 0, high);
  return written;
}

namespace {

namespace fs = std::filesystem;

std::vector<std::string> given_files(const Options& o) {
  std::vector<std::string> files;
  for (const std::string& file : {o.input, o.measurement, o.operation.mask.file, o.operation.kernel})
    if (!file.empty()) files.push_back(file);
  return files;
}

bool same_file(const fs::path& a, const fs::path& b) {
  std::error_code error;
  return fs::equivalent(a, b, error);
}

}  // namespace

void require_inputs_survive(const Options& o) {
  std::vector<std::string> written{"measurement.png", "restored.png", "comparison.png", "original.png"};
  if (o.samples > 1) written.push_back("standard_deviation.png");
  for (int k = 1; k <= o.samples && o.samples > 1; ++k) written.push_back(message("sample_", k, ".png"));
  for (const std::string& file : given_files(o))
    for (const std::string& name : written) {
      const bool as_it_is = name == "original.png" && file == o.input;
      require(as_it_is || !same_file(fs::path(o.output) / name, file), file,
              ": this run's own would take its place; give another folder with -o");
    }
}

std::vector<std::string> earlier_pictures(const std::string& folder) {
  std::ifstream file(std::filesystem::path(folder) / "report.json");
  const Json report = Json::parse(file, nullptr, false);
  const bool ours = report.is_object() && report.value("program", Json()) == "tweedie-restore" &&
                    report.value("pictures", Json()).is_array();
  std::vector<std::string> names;
  if (!ours) return names;
  for (const Json& name : report["pictures"])
    if (name.is_string()) names.push_back(std::filesystem::path(name.get<std::string>()).filename().string());
  return names;
}

std::vector<std::string> remove_earlier_pictures(const Options& o, const std::vector<std::string>& earlier,
                                                 const std::vector<std::string>& written) {
  std::error_code error;
  const auto needed = [&](const fs::path& path) {
    const std::vector<std::string> given = given_files(o);
    if (std::any_of(given.begin(), given.end(), [&](const auto& file) { return same_file(path, file); }))
      return true;
    // The truth of a measurement beside it.
    return path.filename() == "original.png" &&
           same_file(fs::path(o.output) / "measurement.h5", o.measurement);
  };
  std::vector<std::string> kept;
  for (const std::string& name : earlier) {
    const fs::path path = fs::path(o.output) / name;
    const bool again = std::find(written.begin(), written.end(), name) != written.end();
    if (again || path.extension() != ".png" || !fs::is_regular_file(path, error)) continue;
    if (needed(path))
      kept.push_back(name);
    else
      require(fs::remove(path, error), path.string(),
              ": of an earlier run; cannot be removed: ", error.message());
  }
  return kept;
}

}  // namespace tweedie
