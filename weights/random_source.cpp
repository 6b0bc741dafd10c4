#include "weights/random_source.hpp"

#include <cmath>

namespace tweedie {
namespace {

// SplitMix64's output function (Steele, Lea, Flood 2014): a bijection that turns a counter into random bits.
std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

// FNV-1a, so that a tensor's stream depends on its name and not on when it is asked for.
std::uint64_t hash(const std::string& key) {
  std::uint64_t h = 0xCBF29CE484222325ULL;
  for (const char c : key) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return h;
}

}  // namespace

std::vector<float> RandomSource::read(const std::string& key, const Extents& expected) {
  const auto count = static_cast<std::size_t>(element_count(expected));
  if (key == "bias" || key.ends_with(".bias")) return std::vector<float>(count, 0.0F);
  if (expected.size() <= 1) return std::vector<float>(count, 1.0F);

  const double fan_in =
      static_cast<double>(count) / static_cast<double>(std::max<std::int64_t>(expected[0], 1));
  const float scale = static_cast<float>(1.0 / std::sqrt(std::max(fan_in, 1.0)));
  const std::uint64_t start = mix(seed_ + 0x9E3779B97F4A7C15ULL) ^ hash(key);
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t bits = mix(start + (i + 1) * 0x9E3779B97F4A7C15ULL);
    const float unit = static_cast<float>(bits >> 40) * 0x1p-23F - 1.0F;  // 24 bits: [-1, 1)
    values[i] = scale * unit;
  }
  return values;
}

std::vector<float> FilledSource::read(const std::string& key, const Extents& expected) {
  const auto count = static_cast<std::size_t>(element_count(expected));
  const bool linear = key.starts_with("lin") && key.ends_with(".model.1.weight");
  double low = -0.1, span = 0.2;
  if (key.ends_with("running_var")) {
    low = 0.5;
    span = 1;
  } else if (key.ends_with("running_mean")) {
    low = -0.2;
    span = 0.4;
  } else if (expected.size() == 1 && key.ends_with(".bn.weight")) {
    low = 0.8;
    span = 0.4;
  } else if (linear) {
    low = 0;
    span = 1.0 / double(count);
  } else if (expected.size() > 1 && !key.ends_with("bias")) {
    const double reach = std::sqrt(6.0 * double(expected[0]) / double(count));
    low = -reach;
    span = 2 * reach;
  }
  const std::uint64_t start = hash(key);
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double u = double(mix(start + (i + 1) * 0x9E3779B97F4A7C15ULL) >> 11) * 0x1p-53;
    // As written above, so that rounding is the recordings': (2u - 1) times a number, not low + span u.
    values[i] = static_cast<float>(low < 0  ? -low * (2 * u - 1)
                                   : linear ? u / double(count)
                                            : low + span * u);
  }
  return values;
}

std::vector<double> fill_uniforms(const std::string& key, std::size_t count) {
  const std::uint64_t start = hash(key);
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = double(mix(start + (i + 1) * 0x9E3779B97F4A7C15ULL) >> 11) * 0x1p-53;
  return values;
}

}  // namespace tweedie
