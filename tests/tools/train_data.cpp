// Training data: windows of pictures, their order, batches made ahead of time, folders of photographs.
#include "tools/train/data.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <numbers>
#include <set>

#include "tests/tools/files_for_tests.hpp"
#include "tools/image.hpp"
#include "tools/train/batches.hpp"
#include "tools/train/window.hpp"

namespace tweedie::test {
namespace {

DataOptions plain(int size, int channels) {
  DataOptions options;
  options.size = size;
  options.channels = channels;
  options.flip = false;
  return options;
}

std::vector<float> window(const StoredPicture& picture, const DataOptions& options, std::uint64_t index,
                          bool pad = false) {
  std::vector<float> x(std::size_t(options.channels) * std::size_t(options.size) * std::size_t(options.size));
  Draws draws(7, index);
  draw_window(x, picture, options, pad, draws);
  return x;
}

/// Row and column as the two lowest bytes of a number of 0 .. 65535, so that every pixel tells its place.
StoredPicture places(int height, int width) {
  std::vector<float> samples;
  for (int row = 0; row < height; ++row)
    for (int column = 0; column < width; ++column) samples.push_back(float(row * 256 + column) / 32768 - 1);
  return store(1, height, width, std::move(samples), 1);
}

/// Counts how often it draws, and takes a while for some samples.
class Numbers : public Dataset {
 public:
  int channels() const override { return 1; }
  int height() const override { return 1; }
  int width() const override { return 2; }
  int classes() const override { return 10; }
  std::string describe() const override { return "numbers"; }
  int draw(std::span<float> x, std::uint64_t seed, std::uint64_t index) const override {
    if (index % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (index >= fails_at) throw Error("sample 50 is bad");
    ++drawn;
    x[0] = float(index);
    x[1] = float(seed);
    return int(index % 10);
  }
  mutable std::atomic<int> drawn = 0;
  std::uint64_t fails_at = ~std::uint64_t{0};
};

}  // namespace

TEST_CASE("training data: the order is a permutation, another one in every epoch and for every seed") {
  for (const std::uint64_t count : {1, 2, 3, 4, 5, 16, 17, 1000}) {
    CAPTURE(count);
    std::map<std::vector<std::uint64_t>, int> orders;
    for (const std::uint64_t seed : {1, 2})
      for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
        std::vector<std::uint64_t> order;
        for (std::uint64_t i = 0; i < count; ++i) order.push_back(shuffled(i, count, seed, epoch));
        ++orders[order];
        CHECK(std::set<std::uint64_t>(order.begin(), order.end()).size() == count);
        CHECK(*std::max_element(order.begin(), order.end()) == count - 1);
      }
    if (count >= 16) CHECK(orders.size() == 6);
  }
  // Each place is taken by each item about equally often: 4000 epochs of 5, expected 800, sigma 25.
  std::map<std::pair<std::uint64_t, std::uint64_t>, int> often;
  for (std::uint64_t epoch = 0; epoch < 4000; ++epoch)
    for (std::uint64_t i = 0; i < 5; ++i) ++often[{i, shuffled(i, 5, 9, epoch)}];
  CHECK(often.size() == 25);
  for (const auto& [place, times] : often) CHECK(std::abs(times - 800) < 130);  // five sigma
}

TEST_CASE("training data: a window that is not reduced is a copy, anywhere in the picture") {
  const int height = 11, width = 14, size = 5;
  const StoredPicture picture = places(height, width);
  std::map<int, int> tops, lefts;
  for (std::uint64_t index = 0; index < 2000; ++index) {
    const std::vector<float> x = window(picture, plain(size, 1), index);
    const int first = int(std::lround((x[0] + 1) * 32768)), top = first / 256, left = first % 256;
    ++tops[top];
    ++lefts[left];
    for (int row = 0; row < size; ++row)
      for (int column = 0; column < size; ++column)
        REQUIRE(x[std::size_t(row * size + column)] == float((top + row) * 256 + left + column) / 32768 - 1);
  }
  CHECK(tops.size() == std::size_t(height - size + 1));
  CHECK(tops.rbegin()->first == height - size);
  CHECK(lefts.size() == std::size_t(width - size + 1));
  for (const auto& [top, times] : tops) CHECK(std::abs(times - 2000 / 7) < 80);  // five sigma
}

TEST_CASE("training data: mirrored windows are mirrored, half of the time") {
  DataOptions options = plain(4, 1);
  options.flip = true;
  const StoredPicture picture = places(4, 4);
  const std::vector<float> straight = window(picture, plain(4, 1), 0);
  int mirrored = 0;
  for (std::uint64_t index = 0; index < 400; ++index) {
    const std::vector<float> x = window(picture, options, index);
    std::vector<float> turned = x;
    for (int row = 0; row < 4; ++row) std::reverse(turned.begin() + 4 * row, turned.begin() + 4 * row + 4);
    REQUIRE((x == straight || turned == straight));
    mirrored += turned == straight;
  }
  CHECK(std::abs(mirrored - 200) < 50);  // five sigma
}

TEST_CASE("training data: a reduced window keeps slow waves and suppresses those it cannot show") {
  const int side = 800, size = 32;  // more than 16 x 32: a window at the edge sees a broken wave
  for (const double shrink : {1.8, 3.0, 7.3, 16.0}) {
    CAPTURE(shrink);
    DataOptions options = plain(size, 1);
    options.min_shrink = options.max_shrink = shrink;
    const auto spread = [&](double period) {  // root mean square of what is left of a wave across the columns
      std::vector<float> samples;
      for (int i = 0; i < side * side; ++i)
        samples.push_back(float(0.5 * std::sin(2 * std::numbers::pi * (i % side) / period)));
      const StoredPicture picture = store(1, side, side, std::move(samples), shrink);
      double sum = 0;
      for (std::uint64_t index = 0; index < 20; ++index)
        for (const float value : window(picture, options, index)) sum += double(value) * value;
      return std::sqrt(sum / 20 / size / size);
    };
    const double whole = 0.5 / std::sqrt(2.0);
    CHECK(spread(16 * shrink) > 0.9 * whole);  // 16 pixels a period after the reduction
    CHECK(spread(16 * shrink) < 1.1 * whole);
    // 1.2 pixels would alias to a period of 6; the cubic's Fourier transform there is 0.016, the rest is the
    // plain averages' and the sampled cubic's.
    CHECK(spread(1.2 * shrink) < 0.05 * whole);
  }
}

TEST_CASE("training data: a reduced window shows the place that it was taken from") {
  // A ramp survives any symmetric filter; its slope in the window is the reduction, its values the place.
  const int height = 300, width = 200, size = 24;
  std::vector<float> samples;
  for (int row = 0; row < height; ++row)
    for (int column = 0; column < width; ++column)
      samples.push_back(float(row) / 400 + float(column) / 1000 - 0.5f);
  DataOptions options = plain(size, 1);
  options.min_shrink = 1;
  options.max_shrink = 20;  // more than the picture has: 200 / 24 = 8.3
  const StoredPicture picture = store(1, height, width, samples, options.max_shrink);
  double least = 100, most = 0;
  for (std::uint64_t index = 0; index < 300; ++index) {
    const std::vector<float> x = window(picture, options, index);
    const int last = size - 3;  // away from the picture's edges, where samples repeat
    const double down = (x[std::size_t(last * size + 12)] - x[std::size_t(2 * size + 12)]) / (last - 2) * 400;
    const double right =
        (x[std::size_t(12 * size + last)] - x[std::size_t(12 * size + 2)]) / (last - 2) * 1000;
    least = std::min(least, down);
    most = std::max(most, down);
    // One reduction in both directions; the samples of a widened cubic keep a ramp's slope to 0.3 %.
    CHECK(down == doctest::Approx(right).epsilon(5e-3));
    CHECK(x[0] >= -0.5);
    CHECK(x.back() <= samples.back());
  }
  CHECK(least > 0.99);
  CHECK(least < 1.2);
  CHECK(most == doctest::Approx(200.0 / 24).epsilon(0.01));
}

TEST_CASE("training data: bytes are scaled exactly, and a window larger than the picture is padded") {
  std::vector<std::uint8_t> samples;
  for (int i = 0; i < 9; ++i) samples.push_back(std::uint8_t(30 * i));
  const StoredPicture picture = store(1, 3, 3, samples, 1);
  const std::vector<float> x = window(picture, plain(6, 1), 0, true);
  for (int row = 0; row < 6; ++row)
    for (int column = 0; column < 6; ++column) {
      // Three pixels are left over: one goes before the picture and two behind, or the other way round.
      const bool inside = row >= 2 && row < 5 && column >= 2 && column < 5;
      const int sample = inside ? 30 * ((row - 2) * 3 + column - 2) : 0;
      CHECK(x[std::size_t(row * 6 + column)] == doctest::Approx(2.0 * sample / 255 - 1).epsilon(1e-7));
    }
  CHECK(error_of([&] { window(picture, plain(6, 1), 0, false); }) ==
        "a picture of 3 pixels is smaller than a sample of 6");
}

TEST_CASE("training data: colours") {
  std::vector<float> samples;
  for (int i = 0; i < 3 * 16; ++i) samples.push_back(float((i * 37) % 48) / 48 - 0.5f);
  const StoredPicture picture = store(3, 4, 4, samples, 1);
  const std::vector<float> gray = window(picture, plain(4, 1), 0);
  for (std::size_t i = 0; i < 16; ++i)
    CHECK(gray[i] == doctest::Approx(0.299 * samples[i] + 0.587 * samples[16 + i] + 0.114 * samples[32 + i]));
  DataOptions options = plain(4, 3);
  CHECK(window(picture, options, 0) == samples);
  options.gray = 1;
  const std::vector<float> shown = window(picture, options, 0);
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t i = 0; i < 16; ++i) CHECK(shown[c * 16 + i] == doctest::Approx(gray[i]).epsilon(1e-6));
  options.gray = 0;
  options.jitter = 0.3;
  double brightness = 0;
  for (std::uint64_t index = 0; index < 500; ++index) {
    const std::vector<float> x = window(picture, options, index);
    double mean = 0, before = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      REQUIRE(std::abs(x[i]) <= 1);
      mean += x[i] / 48;
      before += samples[i] / 48;
    }
    brightness = std::max(brightness, std::abs(mean - before));
  }
  CHECK(brightness > 0.2);
  CHECK(brightness < 0.31);
  const std::vector<float> one = window(store(1, 4, 4, std::vector<float>(16, 0.25f), 1), plain(4, 3), 0);
  CHECK(one == std::vector<float>(48, 0.25f));
}

TEST_CASE("training data: batches come in order, whatever the threads do, and not more than wanted ahead") {
  for (const int threads : {1, 3}) {
    CAPTURE(threads);
    Numbers numbers;
    {
      BatchLoader loader(numbers, 4, 5, 10, threads, 2);
      for (std::uint64_t b = 10; b < 30; ++b) {
        const Batch& batch = loader.next();
        for (std::uint64_t n = 0; n < 4; ++n) {
          REQUIRE(batch.x[2 * n] == float(4 * b + n));
          REQUIRE(batch.x[2 * n + 1] == 5.0f);
          REQUIRE(batch.labels[n] == int((4 * b + n) % 10));
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      CHECK(numbers.drawn == (20 + 2) * 4);  // while the caller holds the last one, two more are made
    }
  }
}

TEST_CASE("training data: loaders that share the batches hand out every one of them once") {
  const Numbers numbers;
  for (std::uint64_t rank = 0; rank < 3; ++rank) {
    BatchLoader loader(numbers, 4, 5, 7 + rank, 2, 2, 3);
    for (std::uint64_t k = 0; k < 5; ++k) {
      const Batch& batch = loader.next();
      for (std::size_t n = 0; n < 4; ++n) REQUIRE(batch.x[2 * n] == float(4 * (7 + rank + 3 * k) + n));
    }
  }
}

TEST_CASE("training data: what a background thread throws comes out of the loader, after the good batches") {
  Numbers numbers;
  numbers.fails_at = 50;
  BatchLoader loader(numbers, 10, 1, 0, 1, 2);
  for (int b = 0; b < 5; ++b) loader.next();
  CHECK(error_of([&] { loader.next(); }) == "sample 50 is bad");
  CHECK(error_of([&] { BatchLoader(numbers, 0, 1); }).find("must be at least 1") != std::string::npos);
}

TEST_CASE("training data: a folder of photographs, with classes by subfolder") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "b/deep");
  std::filesystem::create_directories(folder / "a");
  write_png(folder / "a/one.png", uniform_image(3, 20, 30, -1));
  write_png(folder / "b/deep/two.png", uniform_image(3, 40, 20, 1));
  write_bytes(folder / "b/three.jpg",
              jpeg_file(1, 16, 16, std::vector<std::uint8_t>(256, 255), 90, false, 6));
  write_bytes(folder / "a/MANIFEST", "text");
  DataOptions options = plain(16, 3);
  options.source = folder.path();
  std::vector<std::string> notes;
  const auto data = open_dataset(options, &notes);
  CHECK(data->classes() == 2);
  CHECK(data->channels() == 3);
  CHECK(data->height() == 16);
  CHECK(data->describe() == "3 images of " + folder.path() + ", 0 megapixels, 0 MB in memory");
  REQUIRE(notes.size() == 2);
  CHECK(notes[0] == folder.path() + ": 1 files that are no images");
  CHECK(notes[1].find("three.jpg") != std::string::npos);
  std::vector<float> x(3 * 256), again(3 * 256);
  int dark = 0;
  for (std::uint64_t index = 0; index < 30; ++index) {
    const int label = data->draw(x, 3, index);
    CHECK(x == std::vector<float>(3 * 256, label == 0 ? -1.0f : 1.0f));
    dark += label == 0;
    CHECK(data->draw(again, 3, index) == label);
    CHECK(again == x);
  }
  CHECK(dark == 10);  // every image once before any comes again
}

TEST_CASE("training data: images that cannot be used are named") {
  const TemporaryFolder folder;
  DataOptions options = plain(16, 3);
  options.source = folder.path();
  const auto error = [&] { return error_of([&] { open_dataset(options); }); };
  CHECK(error() == folder.path() + ": no image in it (PNG, JPEG or TIFF), 0 other files");
  write_png(folder / "a.png", uniform_image(1, 20, 20, 0));
  write_png(folder / "small.png", uniform_image(1, 40, 15, 0));
  CHECK(error() == folder / "small.png: 15 x 40 pixels, smaller than a sample of 16 x 16");
  write_bytes(folder / "cut.png", read_bytes(folder / "a.png").substr(0, 50));
  CHECK(error() == folder / "cut.png: truncated PNG: the file ends early (and 1 more images cannot be used)");
  options.source = folder / "nowhere";
  CHECK(error().find("no such file or folder") != std::string::npos);
  options.source = folder.path();
  const auto refuses = [&](const char* text, auto&& change) {
    const DataOptions before = options;
    change(options);
    CHECK(error().find(text) != std::string::npos);
    options = before;
  };
  refuses("samples of 0 pixels", [](DataOptions& o) { o.size = 0; });
  refuses("shrinking by 2 to 1", [](DataOptions& o) { o.min_shrink = 2; });
  refuses("shrinking by 0.5 to 1", [](DataOptions& o) { o.min_shrink = 0.5; });
  refuses("jitter 2", [](DataOptions& o) { o.jitter = 2; });
  refuses("values of 1 to 0", [](DataOptions& o) { o.range = {1, 0}; });
  refuses("axis 3", [](DataOptions& o) { o.slice_axis = 3; });
}

}  // namespace tweedie::test
