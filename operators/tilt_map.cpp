#include "operators/tilt_map.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "kernels/error.hpp"
#include "kernels/philox.hpp"

namespace tweedie {
namespace {

constexpr int radius = 3;  // of the smoothing
constexpr float largest = 2.5f;

// The standard's distributions differ between libraries; these, on its generator, do not.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : generator_(seed) {}
  double uniform(double low, double high) {
    return low + (high - low) * double(generator_() >> 11) * 0x1p-53;
  }
  /// A whole number in [low, high).
  int whole(int low, int high) { return std::min(high - 1, int(std::floor(uniform(low, high)))); }
  void normals(std::vector<float>& out) {
    for (std::size_t i = 0; i + 1 < out.size(); i += 2) {
      const std::uint64_t bits = generator_();
      const philox::Pair pair = philox::normals(std::uint32_t(bits), std::uint32_t(bits >> 32));
      out[i] = pair.first;
      out[i + 1] = pair.second;
    }
  }

 private:
  std::mt19937_64 generator_;
};

std::array<float, 2 * radius + 1> gaussian() {
  std::array<double, 2 * radius + 1> taps{};
  double sum = 0;
  for (int k = -radius; k <= radius; ++k) sum += taps[std::size_t(k + radius)] = std::exp(-0.5 * k * k);
  std::array<float, 2 * radius + 1> scaled{};
  std::transform(taps.begin(), taps.end(), scaled.begin(), [&](double tap) { return float(tap / sum); });
  return scaled;
}

/// Smooths a square patch along both axes; 0 outside.
void smooth(std::vector<float>& patch, std::vector<float>& work, int side) {
  static constexpr int taps = 2 * radius + 1;
  const auto weights = gaussian();
  const auto pass = [&](std::vector<float>& to, const std::vector<float>& from, int stride, int other) {
    for (int line = 0; line < side; ++line)
      for (int i = 0; i < side; ++i) {
        float value = 0;
        for (int k = std::max(0, radius - i); k < std::min(taps, side + radius - i); ++k)
          value += weights[std::size_t(k)] * from[std::size_t(line * other + (i + k - radius) * stride)];
        to[std::size_t(line * other + i * stride)] = value;
      }
  };
  pass(work, patch, 1, side);
  pass(patch, work, side, 1);
}

}  // namespace

std::vector<float> tilt_map(int height, int width, std::uint64_t seed) {
  require(height >= 8 && width >= 8, "tilt map of ", width, " x ", height,
          " pixels, expected sides from 8 on");
  const int half = std::min(32, std::min(height, width) / 4), side = 2 * half;
  // 500 patches whose centres lie in 192 x 192 places, and as densely elsewhere.
  const double places = double(height - side) * (width - side), scale = 32.0 / half;
  const int patches = std::max(1, int(std::lround(500 * places * scale * scale / (192.0 * 192.0))));
  Draw draw(seed);
  const std::size_t plane = std::size_t(height) * std::size_t(width);
  std::vector<float> map(2 * plane, 0.0f), patch(std::size_t(side) * std::size_t(side)), work(patch.size());
  for (int p = 0; p < patches; ++p) {
    const int row = draw.whole(half, height - half), column = draw.whole(half, width - half);
    const auto amplitude = float(draw.uniform(0.1, 0.4));
    for (std::size_t channel = 0; channel < 2; ++channel) {
      draw.normals(patch);
      smooth(patch, work, side);
      for (int i = 0; i < side; ++i) {
        float* to = map.data() + channel * plane + std::size_t(row - half + i) * std::size_t(width) +
                    std::size_t(column - half);
        for (int j = 0; j < side; ++j) to[j] += amplitude * patch[std::size_t(i * side + j)];
      }
    }
  }
  for (float& value : map) value = std::clamp(value, -largest, largest);
  return map;
}

}  // namespace tweedie
