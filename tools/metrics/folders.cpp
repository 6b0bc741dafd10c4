#include "tools/metrics/folders.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>

#include "kernels/error.hpp"

namespace tweedie::metrics {
namespace {

namespace fs = std::filesystem;

bool looks_like_image(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = char(std::tolower(static_cast<unsigned char>(c)));
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg" || ending == ".tif" || ending == ".tiff";
}

std::map<std::string, std::string> by_name(const std::vector<std::string>& files) {
  std::map<std::string, std::string> named;
  for (const std::string& file : files) {
    const auto [at, added] = named.emplace(fs::path(file).stem().string(), file);
    require(added, at->second, " and ", file, " have one name: which is meant?");
  }
  return named;
}

}  // namespace

std::vector<std::string> image_files(const std::string& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return {path};
  require(fs::is_directory(path, error), path, ": neither a folder nor a file");
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error))
    if (entry.is_regular_file(error) && looks_like_image(entry.path()))
      files.push_back(entry.path().string());
  require(!error, path, ": ", error.message());
  require(!files.empty(), path, ": holds no images (.png, .jpg, .tif)");
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<PairOfFiles> paired(const std::vector<std::string>& images,
                                const std::vector<std::string>& references, bool common) {
  if (images.size() == 1 && references.size() == 1)
    return {{fs::path(images[0]).stem().string(), images[0], references[0]}};
  const std::map<std::string, std::string> first = by_name(images), second = by_name(references);
  std::vector<PairOfFiles> pairs;
  for (const auto& [name, file] : first) {
    const auto partner = second.find(name);
    require(common || partner != second.end(), file, ": has no partner named ", name,
            " among the references; --common leaves such images out");
    if (partner != second.end()) pairs.push_back({name, file, partner->second});
  }
  for (const auto& [name, file] : second)
    require(common || first.contains(name), file, ": has no partner named ", name,
            " among the images; --common leaves such images out");
  require(!pairs.empty(), "no two images have the same name, such as ", images[0], " and ", references[0]);
  return pairs;
}

}  // namespace tweedie::metrics
