#include "tools/codec.hpp"

namespace tweedie {

int exif_orientation(std::string_view tiff) {
  if (tiff.size() < 8) return 1;
  const bool little = tiff.substr(0, 2) == "II";
  const auto number = [&](std::size_t at, std::size_t count) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < count && at + i < tiff.size(); ++i)
      value |= std::size_t(static_cast<unsigned char>(tiff[at + i])) << 8 * (little ? i : count - 1 - i);
    return value;
  };
  const std::size_t directory = number(4, 4), entries = number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.size()) break;
    if (number(entry, 2) != 0x0112) continue;
    const std::size_t value = number(entry + 8, 2);
    return value >= 1 && value <= 8 ? int(value) : 1;
  }
  return 1;
}

std::string orientation_note(const std::string& name, int orientation) {
  return name + ": EXIF orientation " + std::to_string(orientation) + " ignored, read as stored";
}

}  // namespace tweedie
