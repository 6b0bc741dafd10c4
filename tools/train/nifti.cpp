#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/error.hpp"
#include "tools/train/sources.hpp"

namespace tweedie {
namespace {

constexpr std::size_t header_bytes = 348;

template <class T>
T field(std::string_view bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// A volume's scaled values; x is the fastest axis.
struct Volume {
  std::array<std::size_t, 3> sides{};
  std::vector<float> values;
};

template <class T>
void decode(std::vector<float>& out, std::string_view bytes, double slope, double intercept) {
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = float(slope * double(field<T>(bytes, i * sizeof(T))) + intercept);
}

/// Decodes by the header's data type code (nifti1.h, DT_*); returns the bytes of an element, 0 for a code
/// that is not read. Without output it only returns the size.
std::size_t decode_type(std::vector<float>* out, std::string_view bytes, int code, double slope,
                        double intercept) {
  const auto as = [&]<class T>(T) {
    if (out) decode<T>(*out, bytes, slope, intercept);
    return sizeof(T);
  };
  switch (code) {
    case 2:
      return as(std::uint8_t{});
    case 4:
      return as(std::int16_t{});
    case 8:
      return as(std::int32_t{});
    case 16:
      return as(float{});
    case 64:
      return as(double{});
    case 256:
      return as(std::int8_t{});
    case 512:
      return as(std::uint16_t{});
    case 768:
      return as(std::uint32_t{});
    default:
      return 0;
  }
}

Volume read_volume(std::string_view bytes, const std::string& name) {
  require(is_nifti(bytes), name, ": not a NIfTI-1 file (.nii, little-endian)");
  const int rank = field<std::int16_t>(bytes, 40);
  require(rank >= 3 && rank <= 7, name, ": an image of ", rank, " axes, expected 3");
  Volume volume;
  for (std::size_t i = 0; i < 3; ++i) {
    const int side = field<std::int16_t>(bytes, 42 + 2 * i);
    require(side > 0, name, ": a side of ", side, " voxels");
    volume.sides[i] = std::size_t(side);
  }
  for (std::size_t i = 3; i < std::size_t(rank); ++i)
    require(field<std::int16_t>(bytes, 42 + 2 * i) == 1, name, ": several volumes, expected one");
  const std::size_t count = volume.sides[0] * volume.sides[1] * volume.sides[2];  // below 2^45

  const int code = field<std::int16_t>(bytes, 70);
  const std::size_t size = decode_type(nullptr, {}, code, 1, 0);
  require(size > 0, name, ": voxels of NIfTI's type ", code,
          ", expected integers of 8 to 32 bits or real numbers of 32 or 64");
  const auto offset = double(field<float>(bytes, 108));
  require(offset >= header_bytes && offset <= double(bytes.size()) && offset == std::floor(offset), name,
          ": voxels from byte ", offset, " on, in a file of ", bytes.size());
  const std::string_view data = bytes.substr(std::size_t(offset));
  require(count <= data.size() / size, name, ": truncated: ", data.size(), " bytes of voxels, expected ",
          count * size);
  double slope = double(field<float>(bytes, 112)), intercept = double(field<float>(bytes, 116));
  if (slope == 0) slope = 1, intercept = 0;  // the standard's way to say: not scaled
  require(std::isfinite(slope) && std::isfinite(intercept), name, ": its scale is not a number");
  volume.values.resize(count);
  decode_type(&volume.values, data, code, slope, intercept);
  for (const float value : volume.values)
    require(std::isfinite(value), name, ": holds values that are no number");
  return volume;
}

/// The slice at `at` across `axis`; the remaining axis of the higher number runs down the rows.
std::vector<float> slice(const Volume& volume, int axis, std::size_t at, std::size_t& height,
                         std::size_t& width) {
  const std::array<std::size_t, 3> strides = {1, volume.sides[0], volume.sides[0] * volume.sides[1]};
  const std::size_t across = axis == 0 ? 1 : 0, down = axis == 2 ? 1 : 2;
  height = volume.sides[down];
  width = volume.sides[across];
  std::vector<float> out;
  out.reserve(height * width);
  for (std::size_t row = height;
       row-- > 0;)  // NIfTI's axes point right, forward and up: the top row is the last
    for (std::size_t column = 0; column < width; ++column)
      out.push_back(
          volume.values[at * strides[std::size_t(axis)] + row * strides[down] + column * strides[across]]);
  return out;
}

std::pair<double, double> range_of(const Volume& volume, const DataOptions& options) {
  if (options.range) return *options.range;
  std::vector<float> sorted = volume.values;
  const auto high = sorted.begin() + std::ptrdiff_t(0.999 * double(sorted.size() - 1));
  std::nth_element(sorted.begin(), high, sorted.end());
  const double top = *high, low = *std::min_element(sorted.begin(), sorted.end());
  require(low < top, options.source, ": all voxels have the value ", low);
  return {low, top};
}

}  // namespace

bool is_nifti(std::string_view bytes) {
  using namespace std::string_view_literals;
  return bytes.size() > header_bytes && field<std::int32_t>(bytes, 0) == int(header_bytes) &&
         bytes.substr(344, 4) == "n+1\0"sv;
}

PictureSet open_nifti(std::string_view bytes, const DataOptions& options, std::vector<std::string>* notes) {
  const Volume volume = read_volume(bytes, options.source);
  const auto [low, high] = range_of(volume, options);
  PictureSet set;
  set.pad = true;
  const std::size_t count = volume.sides[std::size_t(options.slice_axis)];
  for (std::size_t at = 0; at < count; ++at) {
    std::size_t height = 0, width = 0;
    std::vector<float> samples = slice(volume, options.slice_axis, at, height, width);
    std::size_t bright = 0;
    for (float& sample : samples) {
      sample = float(std::clamp(2 * (double(sample) - low) / (high - low) - 1, -1.0, 1.0));
      bright += sample > -0.9f;
    }
    if (20 * bright < samples.size()) continue;
    set.pictures.push_back(store(1, int(height), int(width), std::move(samples), options.max_shrink));
  }
  if (notes && set.pictures.size() < count)
    notes->push_back(message(options.source, ": ", count - set.pictures.size(), " of ", count,
                             " slices show next to nothing and are left out"));
  set.description =
      message(set.pictures.size(), " slices of ", options.source, ", values ", low, " to ", high);
  return set;
}

}  // namespace tweedie
