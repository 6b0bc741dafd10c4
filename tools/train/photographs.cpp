#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <set>
#include <thread>

#include "kernels/error.hpp"
#include "tools/image.hpp"
#include "tools/train/sources.hpp"

namespace tweedie {
namespace {

namespace fs = std::filesystem;

/// The files that are images by their content, sorted by path. `others` counts the rest.
std::vector<fs::path> find_images(const std::string& source, std::size_t& others) {
  if (!fs::is_directory(source)) return {fs::path(source)};
  std::vector<fs::path> found;
  std::error_code failure;
  for (fs::recursive_directory_iterator at(source, fs::directory_options::follow_directory_symlink, failure),
       end;
       at != end; at.increment(failure)) {
    require(!failure, source, ": cannot be searched: ", failure.message());
    if (!at->is_regular_file()) continue;
    if (is_image_file(at->path().string()))
      found.push_back(at->path());
    else
      ++others;
  }
  require(!failure, source, ": cannot be searched: ", failure.message());
  std::sort(found.begin(), found.end());
  return found;
}

StoredPicture read_photograph(const std::string& path, const DataOptions& options,
                              std::vector<std::string>* notes) {
  const Image image = read_image(path, notes);
  require(std::min(image.height, image.width) >= options.size, path, ": ", image.width, " x ", image.height,
          " pixels, smaller than a sample of ", options.size, " x ", options.size);
  std::vector<std::uint8_t> samples(image.data.size());
  std::transform(image.data.begin(), image.data.end(), samples.begin(), [](float value) {
    return static_cast<std::uint8_t>(std::lround(255 * (std::clamp(double(value), -1.0, 1.0) + 1) / 2));
  });
  return store(image.channels, image.height, image.width, std::move(samples), options.max_shrink);
}

/// The name of the folder right below `source` in which the file lies; "" where it lies in `source` itself.
std::string class_of(const fs::path& file, const std::string& source) {
  const fs::path below = file.lexically_relative(source);
  return std::distance(below.begin(), below.end()) > 1 ? below.begin()->string() : "";
}

void label_by_folder(PictureSet& set, const std::vector<fs::path>& files, const std::string& source) {
  std::set<std::string> names;
  for (const fs::path& file : files) names.insert(class_of(file, source));
  if (names.size() < 2 || names.count("") > 0) return;
  set.classes = int(names.size());
  for (const fs::path& file : files)
    set.labels.push_back(int(std::distance(names.begin(), names.find(class_of(file, source)))));
}

}  // namespace

PictureSet open_photographs(const DataOptions& options, std::vector<std::string>* notes) {
  std::size_t others = 0;
  const std::vector<fs::path> files = find_images(options.source, others);
  require(!files.empty(), options.source, ": no image in it (PNG, JPEG or TIFF), ", others, " other files");
  if (notes && others > 0)
    notes->push_back(message(options.source, ": ", others, " files that are no images"));

  PictureSet set;
  set.pictures.resize(files.size());
  std::vector<std::string> failures(files.size());
  std::vector<std::vector<std::string>> remarks(files.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < files.size(); i = next++) try {
        set.pictures[i] = read_photograph(files[i].string(), options, &remarks[i]);
      } catch (const std::exception& error) {
        failures[i] = error.what();
      }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();

  const auto bad =
      std::find_if(failures.begin(), failures.end(), [](const std::string& f) { return !f.empty(); });
  if (bad != failures.end()) {
    const auto more = std::count_if(bad + 1, failures.end(), [](const std::string& f) { return !f.empty(); });
    throw Error(more > 0 ? message(*bad, " (and ", more, " more images cannot be used)") : *bad);
  }
  if (notes)
    for (const auto& of_one : remarks) notes->insert(notes->end(), of_one.begin(), of_one.end());
  label_by_folder(set, files, options.source);
  set.description = message(files.size(), files.size() == 1 ? " image" : " images", " of ", options.source);
  return set;
}

}  // namespace tweedie
