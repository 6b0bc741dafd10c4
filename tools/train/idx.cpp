#include <algorithm>
#include <filesystem>

#include "kernels/error.hpp"
#include "tools/files.hpp"
#include "tools/train/gunzip.hpp"
#include "tools/train/sources.hpp"

namespace tweedie {
namespace {

std::uint64_t big_endian(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

/// The name with "labels-idx1" for "images-idx3", or "" where it has no such part.
std::string labels_of(const std::string& images) {
  constexpr std::string_view part = "images-idx3";
  const std::size_t at = images.rfind(part);
  if (at == std::string::npos) return "";
  return images.substr(0, at) + "labels-idx1" + images.substr(at + part.size());
}

std::vector<int> read_labels(const std::string& path, std::uint64_t count) {
  const std::string bytes = read_data_file(path);
  require(bytes.size() >= 8 && big_endian(bytes, 0) == 0x00000801, path, ": not an IDX file of labels");
  require(big_endian(bytes, 4) == count, path, ": ", big_endian(bytes, 4), " labels of ", count, " images");
  require(bytes.size() == 8 + count, path, ": ", bytes.size(), " bytes, expected ", 8 + count);
  std::vector<int> labels;
  labels.reserve(std::size_t(count));
  for (std::size_t i = 8; i < bytes.size(); ++i) labels.push_back(static_cast<unsigned char>(bytes[i]));
  return labels;
}

}  // namespace

bool is_idx(std::string_view bytes) {
  using namespace std::string_view_literals;
  return bytes.size() >= 16 && bytes.substr(0, 4) == "\0\0\x08\x03"sv;
}

PictureSet open_idx(std::string_view bytes, const DataOptions& options) {
  const std::string& path = options.source;
  require(is_idx(bytes), path, ": not an IDX file of images");
  const std::uint64_t count = big_endian(bytes, 4), height = big_endian(bytes, 8),
                      width = big_endian(bytes, 12);
  require(count > 0 && height > 0 && width > 0 && height <= 4096 && width <= 4096, path, ": ", count,
          " images of ", width, " x ", height, " pixels");
  const std::uint64_t plane = height * width;
  require(count == (bytes.size() - 16) / plane && (bytes.size() - 16) % plane == 0, path, ": ", bytes.size(),
          " bytes, expected ", 16 + count * plane, " for ", count, " images of ", width, " x ", height);
  PictureSet set;
  set.pad = true;
  set.description = message(count, " images of ", path);
  const auto* samples = reinterpret_cast<const std::uint8_t*>(bytes.data()) + 16;
  for (std::uint64_t i = 0; i < count; ++i, samples += plane)
    set.pictures.push_back(store(1, int(height), int(width),
                                 std::vector<std::uint8_t>(samples, samples + plane), options.max_shrink));
  const std::string labels = labels_of(path);
  if (!labels.empty() && std::filesystem::exists(labels)) {
    set.labels = read_labels(labels, count);
    set.classes = *std::max_element(set.labels.begin(), set.labels.end()) + 1;
    set.description += message(", ", set.classes, " classes");
  }
  return set;
}

}  // namespace tweedie
