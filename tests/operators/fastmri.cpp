// fastMRI files: written here as h5py writes them, read back; what is wrong with them is said in one line.
#include "operators/fastmri.hpp"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "operators/fastmri_measurement.hpp"
#include "operators/mri.hpp"
#include "tests/support/support.hpp"
#include "weights/hdf5_handle.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Sides = std::vector<hsize_t>;

std::int64_t count(const Sides& sides) {
  std::int64_t n = 1;
  for (const hsize_t side : sides) n *= std::int64_t(side);
  return n;
}

/// An HDF5 file to be, in a folder that is gone afterwards.
class File {
 public:
  File() {
    std::string name = (std::filesystem::temp_directory_path() / "tweedie-fastmri-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    file_ = H5Fcreate(path().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    REQUIRE(file_ >= 0);
  }
  ~File() {
    close();
    std::filesystem::remove_all(folder_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  std::string path() const { return (folder_ / "scan.h5").string(); }

  template <class T>
  void write(const char* name, const Sides& sides, hid_t type, const std::vector<T>& values) {
    const Hdf5Handle space(H5Screate_simple(int(sides.size()), sides.data(), nullptr), H5Sclose, "space");
    const Hdf5Handle set(H5Dcreate2(file_, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                         H5Dclose, name);
    REQUIRE(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0);
  }
  /// (re, im) pairs, as numpy's complex64 or complex128.
  template <class T>
  void write_complex(const char* name, const Sides& sides, hid_t part, const std::vector<T>& pairs) {
    REQUIRE(std::int64_t(pairs.size()) == 2 * count(sides));
    const Hdf5Handle type(H5Tcreate(H5T_COMPOUND, 2 * sizeof(T)), H5Tclose, "type");
    H5Tinsert(type, "r", 0, part);
    H5Tinsert(type, "i", sizeof(T), part);
    write(name, sides, type, pairs);
  }
  void write_kspace(const Sides& sides) {
    write_complex("kspace", sides, H5T_NATIVE_FLOAT, random_values(2 * count(sides), 1));
  }
  /// numpy's bool.
  void write_truth_values(const char* name, const std::vector<signed char>& values) {
    const Hdf5Handle type(H5Tenum_create(H5T_NATIVE_INT8), H5Tclose, "type");
    for (const signed char value : {0, 1}) H5Tenum_insert(type, value ? "TRUE" : "FALSE", &value);
    write(name, {values.size()}, type, values);
  }
  void close() {
    if (file_ >= 0) H5Fclose(file_);
    file_ = -1;
  }

 private:
  std::filesystem::path folder_;
  hid_t file_;
};

// Slice `slice` of pairs (slices, planes, H W), each plane's real parts before its imaginary ones.
template <class T>
std::vector<float> planar(const std::vector<T>& pairs, int slice, int planes, int plane) {
  std::vector<float> values;
  for (int p = 0; p < planes; ++p)
    for (int part = 0; part < 2; ++part)
      for (int i = 0; i < plane; ++i)
        values.push_back(float(pairs[std::size_t(2 * ((slice * planes + p) * plane + i) + part)]));
  return values;
}

void refuses(File& file, const std::string& text, int slice = 0) {
  file.close();
  try {
    read_fastmri(file.path(), slice);
    CHECK_MESSAGE(false, "not refused; expected: ", text);
  } catch (const Error& error) {
    CHECK_MESSAGE(std::string(error.what()) == file.path() + text, error.what());
  }
}

}  // namespace

TEST_CASE("fastMRI: a slice of several coils, with everything a file may hold") {
  const int coils = 4, H = 6, W = 9;
  const Sides sides{3, coils, H, W};
  const std::vector<float> kspace = random_values(2 * count(sides), 1),
                           maps = random_values(2 * count(sides), 2),
                           truth = random_values(3 * 4 * 5, 3, 0, 1);
  File file;
  file.write_complex("kspace", sides, H5T_NATIVE_FLOAT, kspace);
  file.write_complex("sensitivity_maps", sides, H5T_NATIVE_FLOAT, maps);
  file.write_truth_values("mask", {1, 0, 1, 1, 1, 0, 0, 1, 0});
  file.write("reconstruction_rss", {3, 4, 5}, H5T_NATIVE_FLOAT, truth);
  file.close();
  CHECK(fastmri_slices(file.path()) == 3);
  for (const int slice : {0, 2}) {
    const FastMriSlice s = read_fastmri(file.path(), slice);
    CHECK(s.coils == coils);
    CHECK(s.H == H);
    CHECK(s.W == W);
    CHECK(s.kspace == planar(kspace, slice, coils, H * W));
    CHECK(s.sensitivity == planar(maps, slice, coils, H * W));
    CHECK(s.mask == std::vector<float>{1, 0, 1, 1, 1, 0, 0, 1, 0});
    CHECK(s.truth_H == 4);
    CHECK(s.truth_W == 5);
    CHECK(s.truth == std::vector<float>(truth.begin() + slice * 20, truth.begin() + (slice + 1) * 20));
  }
}

TEST_CASE("fastMRI: one coil, numbers of other widths, nothing optional") {
  const Sides sides{2, 5, 4};
  std::vector<double> kspace;
  for (const float value : random_values(2 * count(sides), 1)) kspace.push_back(value);
  File file;
  file.write_complex("kspace", sides, H5T_NATIVE_DOUBLE, kspace);
  file.write("reconstruction_esc", {2, 3, 3}, H5T_NATIVE_DOUBLE, std::vector<double>(18, 0.25));
  file.close();
  const FastMriSlice s = read_fastmri(file.path(), 1);
  CHECK(s.coils == 1);
  CHECK(s.kspace == planar(kspace, 1, 1, 20));
  CHECK(s.mask.empty());
  CHECK(s.sensitivity.empty());
  CHECK(s.truth == std::vector<float>(9, 0.25f));
  for (const hid_t type : {H5T_NATIVE_INT, H5T_NATIVE_UINT}) {
    File other;
    other.write_kspace(sides);
    other.write("mask", {4}, type, std::vector<int>{0, 1, 1, 0});
    other.close();
    CHECK(read_fastmri(other.path(), 0).mask == std::vector<float>{0, 1, 1, 0});
  }
}

TEST_CASE("fastMRI: what is wrong with a file is said in one line") {
  const Sides sides{2, 3, 4, 6};
  {
    File file;
    refuses(file, ": there is no dataset 'kspace'");
    std::ofstream(file.path()) << "not a scan at all";
    refuses(file, ": not an HDF5 file");
    std::filesystem::remove(file.path());
    refuses(file, ": cannot be opened for reading: No such file or directory");
  }
  const auto with = [&](const std::function<void(File&)>& write, const std::string& text, int slice = 0) {
    File file;
    write(file);
    refuses(file, text, slice);
  };
  const std::vector<float> numbers(144, 1.f);
  with([&](File& f) { f.write("kspace", sides, H5T_NATIVE_FLOAT, numbers); },
       ": kspace is not complex: expected a compound of r and i");
  with(
      [](File& f) {
        f.write_kspace({4, 6});
      },
      ": kspace has the shape (4, 6); expected (slices, coils, H, W), or (slices, H, W) for one coil");
  with(
      [](File& f) {
        f.write_kspace({1, 1, 1, 4, 6});
      },
      ": kspace has the shape (1, 1, 1, 4, 6); expected (slices, coils, H, W), or (slices, H, W) for one "
      "coil");
  with(
      [&](File& f) {
        f.write_kspace({2, 0, 4});
      },
      ": kspace has the shape (2, 0, 4); expected sides of 1 to 16384");
  for (const int slice : {-1, 2})
    with([&](File& f) { f.write_kspace(sides); }, message(": slice ", slice, " of 2, counted from 0"), slice);
  with(
      [&](File& f) {
        std::vector<float> values(288, 0.f);
        values[2 * 72 + 2 * 24 + 3] = std::nanf("");  // slice 1, coil 1, imaginary part of pixel 1
        f.write_complex("kspace", sides, H5T_NATIVE_FLOAT, values);
      },
      ": kspace has the value nan at element 73", 1);
  const auto beside = [&](const std::function<void(File&)>& write, const std::string& text) {
    with(
        [&](File& f) {
          f.write_kspace(sides);
          write(f);
        },
        text);
  };
  beside(
      [](File& f) {
        f.write_truth_values("mask", {1, 1, 0});
      },
      ": mask has the shape (3); expected (6), k-space's columns");
  beside(
      [](File& f) {
        f.write("mask", {6}, H5T_NATIVE_FLOAT, std::vector<float>{1, 1, 0.5, 0, 0, 0});
      },
      ": mask holds 0.5; expected zeros and ones");
  beside(
      [](File& f) {
        f.write_complex("sensitivity_maps", {2, 3, 4, 5}, H5T_NATIVE_FLOAT, random_values(240, 1));
      },
      ": sensitivity_maps has the shape (2, 3, 4, 5); k-space has (2, 3, 4, 6)");
  beside([&](File& f) { f.write("sensitivity_maps", sides, H5T_NATIVE_FLOAT, numbers); },
         ": sensitivity_maps is not complex: expected a compound of r and i");
  beside(
      [&](File& f) {
        f.write("reconstruction_rss", {2, 9, 8}, H5T_NATIVE_FLOAT, numbers);
      },
      ": reconstruction_rss has the shape (2, 9, 8); expected 2 slices of at most 4x6 pixels");
  beside(
      [](File& f) {
        f.write("reconstruction_rss", {2, 2, 2}, H5T_NATIVE_INT, std::vector<int>(8, 1));
      },
      ": reconstruction_rss does not hold floating-point numbers");
}

TEST_CASE("fastMRI: sensitivities from the calibration centre") {
  const int coils = 4, H = 48, W = 64;
  const std::size_t plane = std::size_t(H * W);
  // Smooth coils around a real object with edges, which ring unless the centre is windowed.
  std::vector<float> maps(2 * coils * plane), x(2 * plane, 0.f);
  for (int h = 0; h < H; ++h)
    for (int w = 0; w < W; ++w) {
      const std::size_t p = std::size_t(h * W + w);
      const double v = (h - H / 2) / double(H), u = (w - W / 2) / double(W);
      x[p] = u * u + v * v < 0.12 ? (u > 0.05 && v > 0 ? 0.3f : 1.f) : 0.f;
      double squares = 0;
      std::complex<double> s[coils];
      for (int k = 0; k < coils; ++k) {
        const double du = u - (k % 2 ? 0.5 : -0.5), dv = v - (k / 2 ? 0.5 : -0.5);
        s[k] = std::polar(std::exp(-(du * du + dv * dv)), 0.7 * k + u - 0.5 * k * v);
        squares += std::norm(s[k]);
      }
      for (int k = 0; k < coils; ++k) {
        maps[std::size_t(2 * k) * plane + p] = float(s[k].real() / std::sqrt(squares));
        maps[std::size_t(2 * k + 1) * plane + p] = float(s[k].imag() / std::sqrt(squares));
      }
    }
  for (const Device device : backends()) {
    Context context(device, 1, true);
    FastMriSlice s;
    s.coils = coils;
    s.H = H;
    s.W = W;
    // 17 columns in the middle and every fourth of the others.
    s.mask.resize(std::size_t(W));
    for (int w = 0; w < W; ++w) s.mask[std::size_t(w)] = std::abs(w - W / 2) <= 8 || w % 4 == 1 ? 1.f : 0.f;
    const auto columns = [&](int rows, int) {
      std::vector<float> all;
      for (int h = 0; h < rows; ++h) all.insert(all.end(), s.mask.begin(), s.mask.end());
      return all;
    };
    const Shape image{1, 2, H, W};
    CartesianMri op(context, columns, CartesianMri::Image::complex, context.upload({coils, 2, H, W}, maps));
    s.kspace = context.download(op.forward(context.upload(image, x)));
    const auto worst = [&](const FastMriSlice& from) {
      const std::vector<float> estimate = context.download(estimate_sensitivity(context, from));
      REQUIRE(estimate.size() == maps.size());
      double error = 0;
      for (std::size_t i = 0; i < maps.size(); ++i)
        if (x[i % plane] > 0.1f) error = std::max(error, std::abs(double(estimate[i]) - maps[i]));
      return error;
    };
    // Averages over some 4 pixels of maps that change by a few per cent on the way: 0.037. Without the window
    // it is 0.06, with the columns beyond it 0.1.
    CHECK(worst(s) < 0.045);
    FastMriSlice without_mask = s;
    without_mask.mask.clear();
    CHECK(worst(without_mask) == worst(s));  // columns that were not measured are 0
    // Each pixel's coils have the squared sum 1; where no coil sees anything they are 0.
    const std::vector<float> estimate = context.download(estimate_sensitivity(context, s));
    for (std::size_t p = 0; p < plane; ++p) {
      double squares = 0;
      for (std::size_t i = p; i < estimate.size(); i += plane) squares += double(estimate[i]) * estimate[i];
      CHECK(squares == doctest::Approx(1).epsilon(1e-5));
    }
    FastMriSlice nothing = s;
    std::fill(nothing.kspace.begin(), nothing.kspace.end(), 0.f);
    check_equal("nothing seen", context.download(estimate_sensitivity(context, nothing)),
                std::vector<float>(maps.size(), 0.f));
    s.mask[std::size_t(W / 2 + 1)] = 0;
    CHECK_THROWS_WITH_AS(estimate_sensitivity(context, s),
                         doctest::Contains("fewer than 3 measured columns about frequency 0"), Error);
  }
}

TEST_CASE(
    "fastMRI: columns of zeros between others were not measured, padding at the edges is none of that") {
  Context context(Device::cpu, 1);
  const int H = 12, W = 16;
  const auto asked = [] { return describe_operator({{"name", "mri"}}); };
  const auto read = [&](const std::vector<int>& zeros, const OperatorDescription& how) {
    const Sides sides{1, 2, std::size_t(H), std::size_t(W)};
    std::vector<double> kspace;
    for (const float value : random_values(2 * count(sides), 1)) kspace.push_back(value);
    for (std::size_t i = 0; i < kspace.size(); ++i)
      for (const int w : zeros)
        if (i / 2 % std::size_t(W) == std::size_t(w)) kspace[i] = 0;
    File file;
    file.write_complex("kspace", sides, H5T_NATIVE_DOUBLE, kspace);
    file.close();
    CHECK(is_fastmri(file.path()));
    return fastmri_measurement(context, file.path(), 0, how, 5);
  };
  const ForeignMeasurement filled = read({1, 3, 12, 14}, asked());
  CHECK(filled.notes.size() == 1);
  CHECK(filled.notes.at(0).find("4 of 16 columns of k-space are 0 in all coils") != std::string::npos);
  CHECK(!filled.truth.has_value());
  const Tensor mask = filled.measurement.data.at("mask");
  CHECK(context.download(mask) == std::vector<float>{1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1});
  OperatorDescription stated = asked();
  stated.settings.set("acceleration", 2.0);
  CHECK_THROWS_WITH_AS(read({3}, stated), doctest::Contains("was measured in part"), Error);
  CHECK(read({}, asked()).notes.at(0).find("k-space is complete") != std::string::npos);
  for (const std::vector<int>& edges : {std::vector<int>{}, std::vector<int>{0, 1, 15}}) {
    const ForeignMeasurement full = read(edges, stated);
    CHECK(full.notes.empty());
    CHECK(full.truth.has_value());
    CHECK(full.measurement.op->settings.seed("seed") == 5);
    CHECK(full.measurement.op->settings.number("acceleration") == 2);
    CHECK(!full.measurement.data.at("mask"));
  }
}

TEST_CASE("fastMRI: what was not measured is whole columns; the padding that a mask counts is none of them") {
  Context context(Device::cpu, 1);
  const int H = 12, W = 16;
  // The slice without the entries that `lost` says, with a mask of all columns where `masked`.
  const auto read = [&](const std::function<bool(int h, int w)>& lost, bool masked) {
    const Sides sides{1, 2, std::size_t(H), std::size_t(W)};
    std::vector<double> kspace;
    for (const float value : random_values(2 * count(sides), 1)) kspace.push_back(value);
    for (std::size_t i = 0; i < kspace.size(); ++i)
      if (lost(int(i / 2) / W % H, int(i / 2) % W)) kspace[i] = 0;
    File file;
    file.write_complex("kspace", sides, H5T_NATIVE_DOUBLE, kspace);
    if (masked)
      file.write("mask", {std::size_t(W)}, H5T_NATIVE_FLOAT, std::vector<float>(std::size_t(W), 1.f));
    file.close();
    return fastmri_measurement(context, file.path(), 0, describe_operator({{"name", "mri"}}), 5);
  };
  const std::function<bool(int, int)> every_third_row = [](int h, int) { return h % 3 == 1; },
                                      scattered = [](int h, int w) { return (5 * h + 3 * w) % 7 == 0; };
  for (const auto& lost : {every_third_row, scattered})
    for (const bool masked : {false, true})
      CHECK_THROWS_WITH_AS(read(lost, masked), doctest::Contains("only whole columns may be missing"), Error);
  read([](int h, int) { return h == 0 || h == H - 1; }, false);  // padding of rows
  const ForeignMeasurement padded = read([](int, int w) { return w < 2 || w == 5 || w == W - 1; }, true);
  REQUIRE(padded.notes.size() == 1);
  CHECK(padded.notes[0].find("4 of the columns in its mask are 0") != std::string::npos);
  CHECK(context.download(padded.measurement.data.at("mask")) ==
        std::vector<float>{0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0});
}
