#include <cmath>

#include "kernels/error.hpp"
#include "tools/train/sources.hpp"

namespace tweedie {
namespace {

/// To two digits after the point, for messages.
double rounded(double value) { return double(std::llround(value * 100)) / 100; }

class Windows : public Dataset {
 public:
  Windows(PictureSet set, const DataOptions& options) : set_(std::move(set)), options_(options) {
    require(!set_.pictures.empty(), options.source, ": no picture to learn from");
    require(set_.labels.empty() || set_.labels.size() == set_.pictures.size(), options.source, ": ",
            set_.labels.size(), " labels of ", set_.pictures.size(), " pictures");
    for (const StoredPicture& picture : set_.pictures) {
      const int have = channels_of(picture), want = options.channels;
      require(have == want || (have == 1 && want == 3) || (have == 3 && want == 1), options.source,
              ": holds pictures of ", have, " channels, samples of ", want, " cannot be made of them");
    }
  }

  int channels() const override { return options_.channels; }
  int height() const override { return options_.size; }
  int width() const override { return options_.size; }
  int classes() const override { return set_.classes; }
  std::string describe() const override {
    double pixels = 0;
    std::size_t bytes = 0;
    for (const StoredPicture& picture : set_.pictures) {
      pixels += double(height_of(picture)) * width_of(picture);
      bytes += bytes_of(picture);
    }
    return message(set_.description, ", ", rounded(pixels / 1e6), " megapixels, ",
                   rounded(double(bytes) / 1e6), " MB in memory");
  }

  int draw(std::span<float> x, std::uint64_t seed, std::uint64_t index) const override {
    const auto count = std::uint64_t(set_.pictures.size());
    const auto item = std::size_t(shuffled(index % count, count, seed, index / count));
    Draws draws(seed, index);
    draw_window(x, set_.pictures[item], options_, set_.pad, draws);
    return set_.labels.empty() ? 0 : set_.labels[item];
  }

 private:
  PictureSet set_;
  DataOptions options_;
};

}  // namespace

std::unique_ptr<Dataset> window_dataset(PictureSet set, const DataOptions& options) {
  return std::make_unique<Windows>(std::move(set), options);
}

}  // namespace tweedie
