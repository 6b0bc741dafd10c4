#include "weights/tensor_source.hpp"

#include "kernels/error.hpp"

namespace tweedie {

std::string to_string(const Extents& extents) {
  std::string text = "(";
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(extents[i]);
  }
  return text + ")";
}

std::int64_t element_count(const Extents& extents) {
  constexpr std::int64_t limit = std::int64_t{1} << 62;
  std::int64_t count = 1;
  for (const std::int64_t extent : extents) {
    require(extent >= 0, "negative extent in shape ", to_string(extents));
    require(extent == 0 || count <= limit / extent, "shape ", to_string(extents), " has too many elements");
    count *= extent;
  }
  return count;
}

}  // namespace tweedie
