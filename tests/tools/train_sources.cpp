// Training data of each kind of file, and what is generated.
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "tests/tools/files_for_tests.hpp"
#include "tools/arrays.hpp"
#include "tools/image.hpp"
#include "tools/train/data.hpp"
#include "tools/train/draws.hpp"
#include "tools/train/gunzip.hpp"
#include "weights/hdf5_handle.hpp"

namespace tweedie::test {
namespace {

std::string gzip(const std::string& bytes) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, uLong(bytes.size())) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = uInt(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = uInt(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += char(value >> shift & 0xFF);
  return bytes;
}

/// `count` images of height x width: pixel i of image n is (10 n + i) mod 256.
std::string idx_images(std::uint32_t count, std::uint32_t height, std::uint32_t width) {
  std::string bytes = big_endian(0x803) + big_endian(count) + big_endian(height) + big_endian(width);
  for (std::uint32_t n = 0; n < count; ++n)
    for (std::uint32_t i = 0; i < height * width; ++i) bytes += char((10 * n + i) % 256);
  return bytes;
}

std::string idx_labels(const std::vector<int>& labels) {
  std::string bytes = big_endian(0x801) + big_endian(std::uint32_t(labels.size()));
  for (const int label : labels) bytes += char(label);
  return bytes;
}

template <class T>
void put(std::string& bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

/// A NIfTI-1 file of voxels in [x fastest] order.
template <class T>
std::string nifti(int nx, int ny, int nz, int code, const std::vector<T>& voxels, float slope,
                  float intercept) {
  std::string bytes(352, '\0');
  put(bytes, 0, std::int32_t{348});
  const std::int16_t dim[] = {3, std::int16_t(nx), std::int16_t(ny), std::int16_t(nz), 1, 1, 1, 1};
  for (std::size_t i = 0; i < 8; ++i) put(bytes, 40 + 2 * i, dim[i]);
  put(bytes, 70, std::int16_t(code));
  put(bytes, 72, std::int16_t(8 * sizeof(T)));
  put(bytes, 108, 352.0f);
  put(bytes, 112, slope);
  put(bytes, 116, intercept);
  bytes.replace(344, 4, std::string("n+1\0", 4));
  return bytes + std::string(reinterpret_cast<const char*>(voxels.data()), voxels.size() * sizeof(T));
}

DataOptions options_of(const std::string& source, int size, int channels = 1) {
  DataOptions options;
  options.source = source;
  options.size = size;
  options.channels = channels;
  options.flip = false;
  return options;
}

std::vector<float> sample(const Dataset& data, std::uint64_t index, int* label = nullptr) {
  std::vector<float> x(std::size_t(data.channels()) * std::size_t(data.height()) * std::size_t(data.width()));
  const int found = data.draw(x, 1, index);
  if (label) *label = found;
  return x;
}

float byte(int value) { return float(2.0 * value / 255 - 1); }

}  // namespace

TEST_CASE("gzip: what is packed is unpacked, several members too, and damage is an error") {
  std::string text;
  for (unsigned i = 0; i < 400000; ++i) text += char(i * i % 251);
  const std::string packed = gzip(text);
  CHECK(is_gzip(packed));
  CHECK(!is_gzip(text));
  CHECK(gunzip(packed, "f.gz", text.size()) == text);
  CHECK(gunzip(packed + gzip("more"), "f.gz", 1 << 20) == text + "more");
  CHECK(error_of([&] {
          gunzip(packed, "f.gz", text.size() - 1);
        }).find("f.gz: holds more than 399999 bytes") == 0);
  const std::string small = gzip("a text that is long enough to be cut in many places");
  for (std::size_t length = 0; length < small.size(); ++length)
    CHECK(error_of([&] { gunzip(small.substr(0, length), "f.gz", 1000); }) == "f.gz: truncated gzip file");
  std::string changed = small;
  changed[changed.size() - 6] ^= 1;  // the checksum
  CHECK(error_of([&] { gunzip(changed, "f.gz", 1000); }) == "f.gz: damaged gzip file");
}

TEST_CASE("training data: IDX images with their labels, packed or not, padded in the middle") {
  const TemporaryFolder folder;
  write_bytes(folder / "train-images-idx3-ubyte.gz", gzip(idx_images(6, 4, 6)));
  write_bytes(folder / "train-labels-idx1-ubyte.gz", gzip(idx_labels({3, 0, 1, 2, 7, 0})));
  write_bytes(folder / "alone", idx_images(2, 4, 4));
  const std::vector<int> labels = {3, 0, 1, 2, 7, 0};
  const auto data = open_dataset(options_of(folder / "train-images-idx3-ubyte.gz", 8));
  CHECK(data->classes() == 8);
  CHECK(data->describe().find("6 images of ") == 0);
  std::set<int> seen;
  for (std::uint64_t index = 0; index < 6; ++index) {
    int label = -1;
    const std::vector<float> x = sample(*data, index, &label);
    // Two rows and one column of padding before the image.
    const int first = int(std::lround((x[2 * 8 + 1] + 1) / 2 * 255)), n = first / 10;
    seen.insert(n);
    CHECK(label == labels[std::size_t(n)]);
    for (int row = 0; row < 8; ++row)
      for (int column = 0; column < 8; ++column) {
        const bool inside = row >= 2 && row < 6 && column >= 1 && column < 7;
        CHECK(x[std::size_t(row * 8 + column)] ==
              (inside ? byte(10 * n + (row - 2) * 6 + column - 1) : -1.0f));
      }
  }
  CHECK(seen.size() == 6);
  CHECK(open_dataset(options_of(folder / "alone", 4))->classes() == 0);

  const auto error = [&](const std::string& images) {
    write_bytes(folder / "bad", images);
    return error_of([&] { open_dataset(options_of(folder / "bad", 4)); });
  };
  CHECK(error(idx_images(2, 4, 4) + "x").find("49 bytes, expected 48 for 2 images of 4 x 4") !=
        std::string::npos);
  CHECK(error(idx_images(2, 4, 4).substr(0, 40)).find("expected 48") != std::string::npos);
  CHECK(error(big_endian(0x803) + big_endian(0) + big_endian(4) + big_endian(4)).find("0 images") !=
        std::string::npos);
  CHECK(error("some text that is nothing of all this").find("not a folder, an image, or") !=
        std::string::npos);
  write_bytes(folder / "train-labels-idx1-ubyte.gz", gzip(idx_labels({3, 0, 1})));
  CHECK(error_of([&] {
          open_dataset(options_of(folder / "train-images-idx3-ubyte.gz", 8));
        }).find("3 labels of 6 images") != std::string::npos);
}

TEST_CASE("training data: slices of a NIfTI volume, scaled, across each axis, without the empty ones") {
  const TemporaryFolder folder;
  const int nx = 5, ny = 4, nz = 6;
  std::vector<std::int16_t> voxels;
  for (int z = 0; z < nz; ++z)
    for (int y = 0; y < ny; ++y)
      for (int x = 0; x < nx; ++x) voxels.push_back(std::int16_t(z < 2 ? -10 : 100 * z + 10 * y + x));
  write_bytes(folder / "v.nii.gz", gzip(nifti(nx, ny, nz, 4, voxels, 0.5f, 5.0f)));
  DataOptions options = options_of(folder / "v.nii.gz", 4);
  options.range = {0, 300};
  std::vector<std::string> notes;
  const auto data = open_dataset(options, &notes);
  CHECK(data->describe().find("4 slices of ") == 0);
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].find("2 of 6 slices show next to nothing") != std::string::npos);
  std::set<int> planes;
  for (std::uint64_t index = 0; index < 40; ++index) {
    const std::vector<float> x = sample(*data, index);
    // value = 0.5 (100 z + 10 y + x) + 5; the top row is y = 3, a window of four columns begins at x = 0
    // or 1.
    const double corner = ((x[0] + 1) / 2 * 300 - 5) * 2;
    const int z = int(corner + 0.5) / 100, left = int(corner + 0.5) % 10;
    planes.insert(z);
    for (int row = 0; row < 4; ++row)
      for (int column = 0; column < 4; ++column)
        CHECK(x[std::size_t(row * 4 + column)] ==
              doctest::Approx(2 * (0.5 * (100 * z + 10 * (3 - row) + left + column) + 5) / 300 - 1)
                  .epsilon(1e-5));
  }
  CHECK(planes == std::set<int>{2, 3, 4, 5});
  options.slice_axis = 0;
  const std::vector<float> across =
      sample(*open_dataset(options), 0);  // columns are y, the top row is z = 5 or less
  CHECK((across[1] - across[0]) * 300 / 2 == doctest::Approx(5).epsilon(1e-4));
  CHECK((across[0] - across[4]) * 300 / 2 == doctest::Approx(50).epsilon(1e-4));
  options.range.reset();
  options.slice_axis = 2;
  const std::vector<float> automatic = sample(*open_dataset(options), 0);
  CHECK(*std::max_element(automatic.begin(), automatic.end()) <= 1);
}

TEST_CASE("training data: NIfTI's types, and what is refused") {
  const TemporaryFolder folder;
  const std::vector<int> ramp = {0, 10, 20, 30, 40, 50, 60, 70};
  const auto check = [&]<class T>(int code, T) {
    CAPTURE(code);
    const std::vector<T> voxels(ramp.begin(), ramp.end());
    write_bytes(folder / "v.nii", nifti(2, 2, 2, code, voxels, 0.0f, 7.0f));  // a slope of 0: not scaled
    DataOptions options = options_of(folder / "v.nii", 2);
    options.range = {0, 70};
    std::vector<float> all;
    const auto data = open_dataset(options);
    for (std::uint64_t index = 0; index < 2; ++index)
      for (const float value : sample(*data, index)) all.push_back((value + 1) / 2 * 70);
    std::sort(all.begin(), all.end());
    for (std::size_t i = 0; i < 8; ++i) CHECK(all[i] == doctest::Approx(ramp[i]).epsilon(1e-5));
  };
  check(2, std::uint8_t{});
  check(4, std::int16_t{});
  check(8, std::int32_t{});
  check(16, float{});
  check(64, double{});
  check(256, std::int8_t{});
  check(512, std::uint16_t{});
  check(768, std::uint32_t{});
  const std::vector<float> eight(8, 1.0f);
  const auto error = [&](std::string bytes) {
    write_bytes(folder / "bad.nii", bytes);
    return error_of([&] { open_dataset(options_of(folder / "bad.nii", 2)); });
  };
  const std::string sound = nifti(2, 2, 2, 16, eight, 1.0f, 0.0f);
  CHECK(error(sound).find("all voxels have the value 1") != std::string::npos);
  CHECK(error(sound.substr(0, sound.size() - 1)).find("truncated: 31 bytes of voxels, expected 32") !=
        std::string::npos);
  CHECK(error(nifti(2, 2, 2, 32, eight, 1.0f, 0.0f)).find("NIfTI's type 32") != std::string::npos);
  CHECK(error(nifti(-2, 2, 2, 16, eight, 1.0f, 0.0f)).find("a side of -2 voxels") != std::string::npos);
  std::string changed = sound;
  put(changed, 108, 1e9f);
  CHECK(error(changed).find("voxels from byte 1e+09 on") != std::string::npos);
  changed = sound;
  put(changed, 352, std::nanf(""));
  CHECK(error(changed).find("no number") != std::string::npos);
  changed = sound;
  put(changed, 40, std::int16_t{4});
  put(changed, 48, std::int16_t{2});
  CHECK(error(changed).find("several volumes") != std::string::npos);
}

TEST_CASE("training data: arrays of pictures") {
  const TemporaryFolder folder;
  std::vector<float> values;
  for (int i = 0; i < 3 * 2 * 4 * 4; ++i) values.push_back(float(i) - 20);
  write_npy(folder / "a.npy", {3, 2, 4, 4}, values);
  const auto data = open_dataset(options_of(folder / "a.npy", 4, 2));
  CHECK(data->describe().find("3 pictures of " + folder / "a.npy, values -20 to 75") == 0);
  std::set<int> seen;
  for (std::uint64_t index = 0; index < 3; ++index) {
    const std::vector<float> x = sample(*data, index);
    const int first = int(std::lround((x[0] + 1) / 2 * 95));
    seen.insert(first / 32);
    for (int i = 0; i < 32; ++i)
      CHECK(x[std::size_t(i)] == doctest::Approx(2.0 * (first + i) / 95 - 1).epsilon(1e-6));
  }
  CHECK(seen == std::set<int>{0, 1, 2});
  // Channels last: the same numbers, where pixel i's channel c is number 2 i + c.
  write_npy(folder / "last.npy", {1, 6, 8, 2}, values);
  const std::vector<float> last = sample(*open_dataset(options_of(folder / "last.npy", 6, 2)), 0);
  CHECK((last[36] - last[0]) * 95 / 2 == doctest::Approx(1).epsilon(1e-4));
  CHECK((last[1] - last[0]) * 95 / 2 == doctest::Approx(2).epsilon(1e-4));
  CHECK((last[6] - last[0]) * 95 / 2 == doctest::Approx(16).epsilon(1e-4));
  const auto error = [&](const Extents& shape, int channels) {
    write_npy(folder / "bad.npy", shape, values);
    return error_of([&] { open_dataset(options_of(folder / "bad.npy", 4, channels)); });
  };
  CHECK(error({96}, 1).find("an array of shape (96), expected (N, H, W)") != std::string::npos);
  CHECK(error({3, 2, 4, 4}, 3).find("pictures of 2 channels, samples of 3 cannot be made") !=
        std::string::npos);
  values[5] = std::nanf("");
  CHECK(error({3, 2, 4, 4}, 2).find("nan at element 5") != std::string::npos);
  CHECK(sample(*open_dataset(options_of(TWEEDIE_TEST_DATA "/numpy/u1.npy", 3)), 0).size() == 9);
}

TEST_CASE("training data: blur kernels, one of six a Gaussian, each scaled to its maximum") {
  const auto data = open_dataset(options_of("blur-kernels", 64));
  int gaussians = 0;
  const int count = 600;
  for (std::uint64_t index = 0; index < count; ++index) {
    const std::vector<float> x = sample(*data, index);
    REQUIRE(*std::max_element(x.begin(), x.end()) == 1.0f);
    REQUIRE(*std::min_element(x.begin(), x.end()) >= -1.0f);
    bool even = true;  // a Gaussian is symmetric about (32, 32) in both axes
    for (int row = 1; row < 64 && even; ++row)
      for (int column = 1; column < 64 && even; ++column)
        even = x[std::size_t(row * 64 + column)] == x[std::size_t((64 - row) * 64 + column)] &&
               x[std::size_t(row * 64 + column)] == x[std::size_t(column * 64 + row)];
    gaussians += even;
    if (even) CHECK(x[32 * 64 + 32] == 1.0f);
  }
  CHECK(std::abs(gaussians - count / 6) < 46);  // five sigma
  CHECK(sample(*data, 3) == sample(*data, 3));
  CHECK(sample(*data, 3) != sample(*data, 4));
  CHECK(error_of([] { open_dataset(options_of("blur-kernels", 64, 3)); }).find("a kernel has 1") !=
        std::string::npos);
}

TEST_CASE("training data: tilt maps in pixels") {
  const auto data = open_dataset(options_of("tilt-maps", 64, 2));
  const std::vector<float> x = sample(*data, 0);
  CHECK(*std::max_element(x.begin(), x.end()) > 1.0f);
  CHECK(*std::max_element(x.begin(), x.end()) <= 2.5f);
  CHECK(x == sample(*data, 0));
  CHECK(x != sample(*data, 1));
  CHECK(error_of([] { open_dataset(options_of("tilt-maps", 64)); }).find("a tilt map has 2") !=
        std::string::npos);
}

TEST_CASE("training data: an option that changes nothing about its kind is refused") {
  const TemporaryFolder folder;
  write_npy(folder / "a.npy", {2, 8, 8}, std::vector<float>(128, 0.5f));
  write_png(folder / "p.png", uniform_image(1, 8, 8, 0));
  const auto refusal = [&](const std::string& source, const std::string& option, int channels = 1) {
    DataOptions options;
    options.source = source;
    options.size = 8;
    options.channels = channels;
    options.stated = {"--size", option};
    return error_of([&] { open_dataset(options); });
  };
  CHECK(refusal("blur-kernels", "--flip") == "--flip means nothing to blur-kernels, which is generated");
  CHECK(refusal("tilt-maps", "--jitter", 2).starts_with("--jitter means nothing"));
  CHECK(refusal(folder / "p.png", "--slice-axis").ends_with("p.png, which is of pictures"));
  CHECK(refusal(folder / "p.png", "--dataset").starts_with("--dataset means nothing"));
  CHECK(refusal(folder / "p.png", "--gray").starts_with("--gray means nothing"));
  CHECK(refusal(folder / "a.npy", "--slice-axis").ends_with("which is an array"));
  DataOptions fine;
  fine.source = "blur-kernels";
  fine.channels = 1;
  fine.stated = {"--data", "--size", "--channels"};
  open_dataset(fine);
}

}  // namespace tweedie::test
