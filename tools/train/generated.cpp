// Training data that is made when it is asked for.
#include <algorithm>
#include <cmath>

#include "kernels/error.hpp"
#include "operators/motion_kernel.hpp"
#include "operators/tilt_map.hpp"
#include "tools/train/draws.hpp"
#include "tools/train/sources.hpp"

namespace tweedie {
namespace {

/// A square sample of `channels` planes that a function fills.
class Generated : public Dataset {
 public:
  using Fill = void (*)(std::span<float> x, int size, Draws& draws);
  Generated(int channels, int size, std::string description, Fill fill)
      : channels_(channels), size_(size), description_(std::move(description)), fill_(fill) {}
  int channels() const override { return channels_; }
  int height() const override { return size_; }
  int width() const override { return size_; }
  std::string describe() const override { return description_; }
  int draw(std::span<float> x, std::uint64_t seed, std::uint64_t index) const override {
    require(x.size() == std::size_t(channels_) * std::size_t(size_) * std::size_t(size_), "a sample of ",
            x.size(), " values, wanted are (", channels_, ", ", size_, ", ", size_, ")");
    Draws draws(seed, index);
    fill_(x, size_, draws);
    return 0;
  }

 private:
  int channels_, size_;
  std::string description_;
  Fill fill_;
};

void gaussian_kernel(std::span<float> x, int size, double sigma) {
  const int centre = size / 2;
  for (int row = 0; row < size; ++row)
    for (int column = 0; column < size; ++column) {
      const double square = (row - centre) * (row - centre) + (column - centre) * (column - centre);
      x[std::size_t(row * size + column)] = float(std::exp(-0.5 * square / (sigma * sigma)));
    }
}

/// An odd kernel, centred at size / 2 of the square: of an even one, the first row and column stay empty.
void shaken_kernel(std::span<float> x, int size, double intensity, std::uint64_t seed) {
  const int odd = size % 2 == 1 ? size : size - 1, first = size - odd;
  const std::vector<float> kernel = motion_kernel(odd, intensity, seed);
  std::fill(x.begin(), x.end(), 0.0f);
  for (int row = 0; row < odd; ++row)
    std::copy_n(kernel.begin() + std::ptrdiff_t(row) * odd, odd, x.begin() + (row + first) * size + first);
}

void fill_kernel(std::span<float> x, int size, Draws& draws) {
  if (draws.uniform() < 5.0 / 6) {
    const double intensity = draws.uniform(0.2, 1);
    shaken_kernel(x, size, intensity, draws.bits());
  } else {
    gaussian_kernel(x, size, draws.uniform(0.1, 5));
  }
  const float most = *std::max_element(x.begin(), x.end());
  for (float& value : x) value = 2 * value / most - 1;
}

void fill_tilt(std::span<float> x, int size, Draws& draws) {
  const std::vector<float> map = tilt_map(size, size, draws.bits());
  std::copy(map.begin(), map.end(), x.begin());
}

}  // namespace

std::unique_ptr<Dataset> blur_kernels(const DataOptions& options) {
  require(options.size >= 8, "blur-kernels: samples of ", options.size, " pixels, expected 8 or more");
  require(options.channels == 1, "blur-kernels: ", options.channels, " channels, a kernel has 1");
  return std::make_unique<Generated>(
      1, options.size,
      message("blur kernels of ", options.size, " x ", options.size,
              ": five of six of a shaken camera, one Gaussian; their maximum is 1, and 0 is -1"),
      fill_kernel);
}

std::unique_ptr<Dataset> tilt_maps(const DataOptions& options) {
  require(options.size >= 8, "tilt-maps: samples of ", options.size, " pixels, expected 8 or more");
  require(options.channels == 2, "tilt-maps: ", options.channels, " channels, a tilt map has 2");
  return std::make_unique<Generated>(
      2, options.size, message("tilt maps of ", options.size, " x ", options.size, ", in pixels, up to 2.5"),
      fill_tilt);
}

}  // namespace tweedie
