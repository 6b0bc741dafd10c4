// Arrays and pictures that other programs wrote: TIFF, NumPy, HDF5.
#include "tools/arrays.hpp"

#include <tiffio.h>

#include <cmath>
#include <cstring>

#include "tests/tools/files_for_tests.hpp"
#include "tools/image.hpp"
#include "weights/hdf5_handle.hpp"

namespace tweedie::test {
namespace {

/// What goes into a TIFF file.
struct TiffContent {
  int width, height, samples = 1, bits = 8, format = SAMPLEFORMAT_UINT, colour = PHOTOMETRIC_MINISBLACK;
  int compression = COMPRESSION_NONE, tile = 0, planes = PLANARCONFIG_CONTIG, rows_per_strip = 2,
      orientation = 1;
  int pages = 1;
  const char* mode = "w";
};

/// Writes planar-by-sample `values` of type T, (samples, height, width), with libtiff.
template <class T>
void write_tiff(const std::string& path, const TiffContent& c, const std::vector<T>& values) {
  TIFF* file = TIFFOpen(path.c_str(), c.mode);
  REQUIRE(file != nullptr);
  for (int page = 0; page < c.pages; ++page) {
    TIFFSetField(file, TIFFTAG_IMAGEWIDTH, c.width);
    TIFFSetField(file, TIFFTAG_IMAGELENGTH, c.height);
    TIFFSetField(file, TIFFTAG_SAMPLESPERPIXEL, c.samples);
    TIFFSetField(file, TIFFTAG_BITSPERSAMPLE, c.bits);
    TIFFSetField(file, TIFFTAG_SAMPLEFORMAT, c.format);
    TIFFSetField(file, TIFFTAG_PHOTOMETRIC, c.colour);
    TIFFSetField(file, TIFFTAG_COMPRESSION, c.compression);
    TIFFSetField(file, TIFFTAG_PLANARCONFIG, c.planes);
    if (c.orientation != 1) TIFFSetField(file, TIFFTAG_ORIENTATION, c.orientation);
    if (c.samples == 2 || c.samples == 4) {
      const std::uint16_t alpha = EXTRASAMPLE_UNASSALPHA;
      TIFFSetField(file, TIFFTAG_EXTRASAMPLES, 1, &alpha);
    }
    const int rows = c.tile > 0 ? c.tile : c.rows_per_strip, columns = c.tile > 0 ? c.tile : c.width;
    if (c.tile > 0) {
      TIFFSetField(file, TIFFTAG_TILEWIDTH, c.tile);
      TIFFSetField(file, TIFFTAG_TILELENGTH, c.tile);
    } else {
      TIFFSetField(file, TIFFTAG_ROWSPERSTRIP, c.rows_per_strip);
    }
    const bool separate = c.planes == PLANARCONFIG_SEPARATE;
    std::uint32_t index = 0;
    for (int plane = 0; plane < (separate ? c.samples : 1); ++plane)
      for (int top = 0; top < c.height; top += rows)
        for (int left = 0; left < c.width; left += columns, ++index) {
          std::vector<T> block;
          const int held = c.tile > 0 ? rows : std::min(rows, c.height - top);
          for (int row = top; row < top + held; ++row)
            for (int column = left; column < left + columns; ++column)
              for (int s = 0; s < (separate ? 1 : c.samples); ++s)
                block.push_back(row < c.height && column < c.width
                                    ? values[std::size_t(((plane + s) * c.height + row) * c.width + column)]
                                    : T(99));
          const auto bytes = tmsize_t(block.size() * sizeof(T));
          if (c.tile > 0)
            TIFFWriteEncodedTile(file, index, block.data(), bytes);
          else
            TIFFWriteEncodedStrip(file, index, block.data(), bytes);
        }
    TIFFWriteDirectory(file);
  }
  TIFFClose(file);
}

template <class T>
std::vector<T> ramp(std::size_t count, double scale) {
  std::vector<T> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(T(scale * double(i)));
  return values;
}

template <class T>
std::vector<float> as_floats(const std::vector<T>& values, std::size_t count) {
  std::vector<float> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(float(values[i]));
  return out;
}

/// Writes and reads as an array.
template <class T>
void check_tiff(const TiffContent& content, double scale, const std::string& type) {
  const TemporaryFolder folder;
  const std::size_t plane = std::size_t(content.width) * std::size_t(content.height);
  const std::vector<T> values = ramp<T>(plane * std::size_t(content.samples), scale);
  write_tiff(folder / "x", content, values);
  CHECK(is_array_file(folder / "x"));
  CHECK(is_image_file(folder / "x"));
  const Array array = read_array(folder / "x");
  const bool colour = content.samples >= 3;
  CHECK(array.shape ==
        (colour ? Extents{3, content.height, content.width} : Extents{content.height, content.width}));
  CHECK(array.type == type);
  CHECK(array.values == as_floats(values, (colour ? 3 : 1) * plane));
}

}  // namespace

TEST_CASE("TIFF: every type of sample, exactly") {
  check_tiff<std::uint8_t>({7, 5}, 3, "|u1");
  check_tiff<std::uint16_t>({7, 5, 1, 16}, 1500, "<u2");
  check_tiff<std::uint32_t>({7, 5, 1, 32}, 4e7, "<u4");
  check_tiff<std::int8_t>({7, 5, 1, 8, SAMPLEFORMAT_INT}, -3, "|i1");
  check_tiff<std::int16_t>({7, 5, 1, 16, SAMPLEFORMAT_INT}, -700, "<i2");
  check_tiff<std::int32_t>({7, 5, 1, 32, SAMPLEFORMAT_INT}, -7000, "<i4");
  check_tiff<float>({7, 5, 1, 32, SAMPLEFORMAT_IEEEFP}, -0.37, "<f4");
  check_tiff<double>({7, 5, 1, 64, SAMPLEFORMAT_IEEEFP}, 0.37, "<f8");
}

TEST_CASE("TIFF: colours, strips, tiles, planes, compression, both byte orders, BigTIFF") {
  for (const int planes : {PLANARCONFIG_CONTIG, PLANARCONFIG_SEPARATE})
    for (const int tile : {0, 16})
      for (const int compression : {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE})
        for (const char* mode : {"wl", "wb", "w8"}) {
          CAPTURE(planes);
          CAPTURE(tile);
          CAPTURE(mode);
          TiffContent content{21,          18,   3,      16, SAMPLEFORMAT_UINT, PHOTOMETRIC_RGB,
                              compression, tile, planes, 4};
          content.mode = mode;
          check_tiff<std::uint16_t>(content, 50, "<u2");
        }
  check_tiff<float>({21, 18, 3, 32, SAMPLEFORMAT_IEEEFP, PHOTOMETRIC_RGB}, 0.25, "<f4");
}

TEST_CASE("TIFF: pictures are scaled to their peak; what is ignored is said") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  const auto picture = [&] {
    std::vector<std::string> notes;
    Image image = read_image(path, &notes);
    std::string all;
    for (const std::string& note : notes) all += note.substr(path.size());
    return std::pair{image, all};
  };
  write_tiff<std::uint8_t>(path, {2, 1}, {0, 255});
  CHECK(picture() == std::pair{Image{1, 1, 2, {-1, 1}}, std::string()});
  write_tiff<std::uint16_t>(path, {2, 1, 1, 16}, {65535, 0});
  CHECK(picture().first.data == std::vector<float>{1, -1});
  write_tiff<std::uint32_t>(path, {2, 1, 1, 32}, {4294967295u, 0});
  CHECK(picture().first.data == std::vector<float>{1, -1});
  write_tiff<float>(path, {2, 2, 1, 32, SAMPLEFORMAT_IEEEFP}, {0, 1, 0.5f, 0.25f});
  CHECK(picture().first.data == std::vector<float>{-1, 1, 0, -0.5f});
  write_tiff<std::uint8_t>(path, {2, 1, 1, 8, SAMPLEFORMAT_UINT, PHOTOMETRIC_MINISWHITE}, {0, 255});
  CHECK(picture().first.data == std::vector<float>{1, -1});
  write_tiff<std::uint8_t>(path, {1, 1, 4, 8, SAMPLEFORMAT_UINT, PHOTOMETRIC_RGB}, {0, 255, 0, 7});
  CHECK(picture() == std::pair{Image{3, 1, 1, {-1, 1, -1}}, std::string(": alpha channel ignored")});
  TiffContent turned{2, 1};
  turned.orientation = 6;
  write_tiff<std::uint8_t>(path, turned, {0, 255});
  CHECK(picture().second == ": TIFF orientation 6 ignored, read as stored");
  TiffContent two{2, 1};
  two.pages = 2;
  write_tiff<std::uint8_t>(path, two, {0, 255});
  CHECK(picture().second == ": only the first of its images is read");
  write_tiff<float>(path, {2, 1, 1, 32, SAMPLEFORMAT_IEEEFP}, {0, 300});
  CHECK(
      error_of([&] { read_image(path); }) ==
      path +
          ": a picture of real numbers with the value 300, expected 0 (black) to 1 (white); what else black "
          "and white are is said with --black-white BLACK:WHITE");
  write_tiff<std::int16_t>(path, {2, 1, 1, 16, SAMPLEFORMAT_INT}, {0, 300});
  CHECK(error_of([&] { read_image(path); }).find("a picture of the type '<i2'") != std::string::npos);
}

TEST_CASE("TIFF: what is not read is refused by name, damage is an error") {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  const auto error = [&] { return error_of([&] { read_image(path); }); };
  write_tiff<std::uint8_t>(path, {8, 1, 1, 1}, std::vector<std::uint8_t>(8, 0));
  CHECK(error().find("samples of 1 bits and format 1") != std::string::npos);
  write_tiff<std::uint8_t>(path, {1, 1, 4, 8, SAMPLEFORMAT_UINT, PHOTOMETRIC_SEPARATED}, {0, 0, 0, 0});
  CHECK(error().find("colours of kind 5") != std::string::npos);
  for (const int compression : {COMPRESSION_NONE, COMPRESSION_ADOBE_DEFLATE}) {
    TiffContent content{9, 7};
    content.compression = compression;
    write_tiff(path, content, ramp<std::uint8_t>(63, 3));
    const std::string whole = read_bytes(path);
    for (std::size_t length = 0; length < whole.size(); ++length) {
      CAPTURE(length);
      write_bytes(path, whole.substr(0, length));
      CHECK(error().rfind(path + ": ", 0) == 0);
    }
    for (std::size_t at = 0; at < whole.size(); ++at)
      for (const int flip : {0x01, 0x40, 0xFF}) {
        std::string changed = whole;
        changed[at] = char(changed[at] ^ flip);
        write_bytes(path, changed);
        try {
          read_image(path);
        } catch (const Error& refused) {
          CHECK(std::string(refused.what()).find('\n') == std::string::npos);
        }
      }
  }
}

TEST_CASE("NumPy pictures: shapes and types") {
  const TemporaryFolder folder;
  const std::string path = folder / "x.npy";
  const auto data = [&](const Extents& shape, const std::vector<float>& values) {
    write_npy(path, shape, values);
    return read_image(path);
  };
  CHECK(data({1, 2}, {0, 1}) == Image{1, 1, 2, {-1, 1}});
  CHECK(data({3, 1, 2}, {0, 1, 0, 0, 1, 1}) == Image{3, 1, 2, {-1, 1, -1, -1, 1, 1}});
  CHECK(data({1, 2, 3}, {0, 1, 0, 0, 1, 1}).height == 2);  // one channel of 2 x 3, not 1 x 2 in colour
  CHECK(data({2, 1, 3}, {0, 0.5f, 1, 1, 0, 0}) == Image{3, 2, 1, {-1, 1, 0, -1, 1, -1}});
  CHECK(data({1, 1, 2, 2}, {0, 0, 1, 1}).channels == 1);
  CHECK(error_of([&] {
          data({2, 2, 2}, std::vector<float>(8, 0));
        }).find("of shape (2, 2, 2), expected a picture") != std::string::npos);
  CHECK(error_of([&] { data({1, 2}, {0, -0.5f}); }).find("with the value -0.5") != std::string::npos);
  CHECK(error_of([&] { data({1, 2}, {0, std::nanf("")}); }).find("with the value nan") != std::string::npos);
  CHECK(error_of([&] { read_image(TWEEDIE_TEST_DATA "/numpy/i2.npy"); }).find("expected a picture") !=
        std::string::npos);
}

TEST_CASE("arrays: NumPy and HDF5, one of several by its name") {
  const TemporaryFolder folder;
  const Array npy = read_array(TWEEDIE_TEST_DATA "/numpy/fortran.npy");
  CHECK(npy.shape == Extents{2, 3, 4});
  CHECK(npy.type == "<f8");
  CHECK(npy.values[5] == 5.0f / 8);
  const std::string npz = TWEEDIE_TEST_DATA "/numpy/stored.npz";
  CHECK(error_of([&] { read_array(npz); }) == npz + ": holds several arrays (x, labels), expected one alone");
  CHECK(read_array(npz, "labels").values == std::vector<float>{0, 1, 2});
  CHECK(error_of([&] { read_array(npz, "y"); }).find("there is no array 'y'") != std::string::npos);
  CHECK(error_of([] { read_array(TWEEDIE_TEST_DATA "/numpy/f4.npy", "y"); }).find("has no array 'y'") !=
        std::string::npos);
  CHECK(error_of([] { read_array(TWEEDIE_TEST_DATA "/numpy/c8.npy"); }).find("complex numbers") !=
        std::string::npos);
  const Array picture = read_png_array(TWEEDIE_TEST_DATA "/images/coffee.png");
  CHECK(picture.shape.size() == 3);
  CHECK(picture.values[5] ==
        doctest::Approx(255 * (read_image(TWEEDIE_TEST_DATA "/images/coffee.png").data[5] + 1) / 2));
  CHECK(is_png_file(TWEEDIE_TEST_DATA "/images/coffee.png"));
  CHECK(!is_png_file(TWEEDIE_TEST_DATA "/numpy/f4.npy"));
  CHECK(error_of([] { read_array(TWEEDIE_TEST_DATA "/images/coffee.png"); }).find("not an array") !=
        std::string::npos);
  const std::string h5 = folder / "x.hdf5";
  {
    const Hdf5Handle file(H5Fcreate(h5.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose, "create");
    const hsize_t sides[] = {2, 3};
    const Hdf5Handle space(H5Screate_simple(2, sides, nullptr), H5Sclose, "space");
    const Hdf5Handle set(
        H5Dcreate2(file, "only", H5T_STD_I16LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose,
        "dataset");
    const std::int16_t values[] = {1, -2, 3, 4, 5, 6};
    H5Dwrite(set, H5T_NATIVE_SHORT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  }
  CHECK(is_array_file(h5));
  const Array array = read_array(h5);
  CHECK(array.shape == Extents{2, 3});
  CHECK(array.values == std::vector<float>{1, -2, 3, 4, 5, 6});
  CHECK(array.name == h5 + ": only");
  CHECK(error_of([&] { read_array(h5, "x"); }).find("no dataset 'x'") != std::string::npos);
  {  // as MATLAB writes: after a block of its own, the axes reversed, the class as an attribute
    const Hdf5Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "list");
    H5Pset_userblock(creation, 512);
    const Hdf5Handle file(H5Fcreate((folder / "m.mat").c_str(), H5F_ACC_TRUNC, creation, H5P_DEFAULT),
                          H5Fclose, "create");
    const hsize_t sides[] = {2, 3, 4};  // (4, 3, 2) in MATLAB
    const Hdf5Handle space(H5Screate_simple(3, sides, nullptr), H5Sclose, "space");
    const Hdf5Handle set(H5Dcreate2(file, "k", H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                         H5Dclose, "dataset");
    std::vector<float> stored(24);
    for (std::size_t i = 0; i < 24; ++i) stored[i] = float(i);
    H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, stored.data());
    const Hdf5Handle one(H5Screate(H5S_SCALAR), H5Sclose, "scalar");
    const Hdf5Handle attribute(H5Acreate2(set, "MATLAB_class", H5T_STD_I8LE, one, H5P_DEFAULT, H5P_DEFAULT),
                               H5Aclose, "attribute");
    const signed char value = 0;
    H5Awrite(attribute, H5T_NATIVE_SCHAR, &value);
  }
  const Array matlab = read_array(folder / "m.mat");
  CHECK(matlab.shape == Extents{4, 3, 2});
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      for (std::size_t k = 0; k < 2; ++k)
        CHECK(matlab.values[(i * 3 + j) * 2 + k] == float((k * 3 + j) * 4 + i));
  CHECK(!is_array_file(folder / "missing"));
  write_npy(folder / "w.npy", {2, 1}, {3, 4});
  CHECK(read_array(folder / "w.npy").values == std::vector<float>{3, 4});
  CHECK(folder.entries() == std::vector<std::string>{"m.mat", "w.npy", "x.hdf5"});
}

}  // namespace tweedie::test
