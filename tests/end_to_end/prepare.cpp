#include "tests/end_to_end/prepare.hpp"

#include <hdf5.h>

#include <cmath>
#include <complex>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/error.hpp"
#include "tools/image.hpp"

namespace tweedie::test {
namespace {

constexpr const char* usage =
    "usage: prepare crop IN OUT HEIGHT WIDTH [gray]   upper left part of a picture\n"
    "       prepare mask OUT HEIGHT WIDTH             every third pixel black\n"
    "       prepare spoil IN OUT WHAT KEY             weight file, WHAT: missing, surplus, shape or nan\n"
    "       prepare attribute FILE NAME TEXT          root attribute of an HDF5 file, replaced\n"
    "       prepare attributes FILE NAME TEXT COUNT   the same as an array of texts\n"
    "       prepare rename FILE FROM TO               of a group in an HDF5 file\n"
    "       prepare kspace IN OUT COILS [masked|full [SLICES]]  picture to a fastMRI file of two slices, all "
    "but the last empty\n"
    "       prepare tiff IN OUT                       picture to a gray TIFF of 16 bits\n"
    "       prepare sinogram IN OUT TRUTH ANGLES AXIS INTENSITY   what of INTENSITY a disc of a square "
    "picture "
    "lets through, in a full turn, to a TIFF of 16 bits; the disc\n"
    "       prepare npy FILE DATASET OUT              a dataset of an HDF5 file, real or complex, to .npy\n"
    "       prepare has FILE POINTER...               exit code 0 when a JSON file has all of these\n"
    "       prepare number FILE POINTER               prints a number of a JSON file\n";

void make_crop(const std::vector<std::string>& words) {
  const Image part = crop(read_image(words.at(1)), 0, 0, std::stoi(words.at(3)), std::stoi(words.at(4)));
  write_png(words.at(2), words.size() > 5 ? to_gray(part) : part);
}

void make_mask(const std::vector<std::string>& words) {
  Image mask = uniform_image(1, std::stoi(words.at(2)), std::stoi(words.at(3)), 1);
  for (std::size_t i = 0; i < mask.data.size(); i += 3) mask.data[i] = -1;
  write_png(words.at(1), mask);
}

/// Real numbers, or compounds of r and i; float32 in memory.
void make_npy(const std::vector<std::string>& words) {
  const hid_t file = H5Fopen(words.at(1).c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t set = H5Dopen2(file, words.at(2).c_str(), H5P_DEFAULT);
  require(set >= 0, words.at(2), ": not there");
  const hid_t space = H5Dget_space(set), stored = H5Dget_type(set);
  const bool complex = H5Tget_class(stored) == H5T_COMPOUND;
  const hid_t pair = H5Tcreate(H5T_COMPOUND, 2 * sizeof(float));
  H5Tinsert(pair, "r", 0, H5T_NATIVE_FLOAT);
  H5Tinsert(pair, "i", sizeof(float), H5T_NATIVE_FLOAT);
  std::vector<float> values(std::size_t(H5Sget_simple_extent_npoints(space)) * (complex ? 2 : 1));
  require(H5Dread(set, complex ? pair : H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0,
          words.at(2), ": not read");
  std::vector<hsize_t> extents(std::size_t(H5Sget_simple_extent_ndims(space)));
  H5Sget_simple_extent_dims(space, extents.data(), nullptr);
  for (const hid_t type : {pair, stored}) H5Tclose(type);
  H5Sclose(space);
  H5Dclose(set);
  H5Fclose(file);
  std::string shape;
  for (const hsize_t extent : extents) shape += std::to_string(extent) + ",";
  std::string header =
      message("{'descr': '", complex ? "<c8" : "<f4", "', 'fortran_order': False, 'shape': (", shape, ")}");
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  std::ofstream out(words.at(3), std::ios::binary);
  out << "\x93NUMPY\x01" << '\0' << char(header.size()) << char(header.size() >> 8) << header;
  out.write(reinterpret_cast<const char*>(values.data()), std::streamsize(values.size() * sizeof(float)));
}

void add_dataset(hid_t file, const std::string& path, const std::vector<hsize_t>& extents, float value) {
  std::size_t count = 1;
  for (const hsize_t extent : extents) count *= extent;
  const std::vector<float> values(count, value);
  const hid_t space = H5Screate_simple(int(extents.size()), extents.data(), nullptr);
  const hid_t set =
      H5Dcreate2(file, path.c_str(), H5T_NATIVE_FLOAT, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  require(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0, path,
          ": not written");
  H5Dclose(set);
  H5Sclose(space);
}

void write_nan(hid_t file, const std::string& path) {
  const hid_t set = H5Dopen2(file, path.c_str(), H5P_DEFAULT);
  require(set >= 0, path, ": not there");
  const hid_t space = H5Dget_space(set);
  std::vector<float> values(std::size_t(H5Sget_simple_extent_npoints(space)));
  require(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0, path,
          ": not read");
  values.at(values.size() / 2) = std::nanf("");
  require(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0, path,
          ": not written");
  H5Sclose(space);
  H5Dclose(set);
}

void spoil(const std::vector<std::string>& words) {
  const std::string &out = words.at(2), &what = words.at(3), path = "/tensors/" + words.at(4);
  std::filesystem::copy_file(words.at(1), out);
  const hid_t file = H5Fopen(out.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  require(file >= 0, out, ": not opened");
  if (what == "missing" || what == "shape")
    require(H5Ldelete(file, path.c_str(), H5P_DEFAULT) >= 0, path, ": not deleted");
  if (what == "shape") add_dataset(file, path, {5, 7}, 0.5f);
  if (what == "surplus") add_dataset(file, path, {3}, 0.5f);
  if (what == "nan") write_nan(file, path);
  require(H5Fclose(file) >= 0, out, ": not closed");
}

void set_attribute(const std::vector<std::string>& words) {
  const std::string &path = words.at(1), &name = words.at(2);
  std::string text = words.at(3);
  const hsize_t count = words.size() > 4 ? hsize_t(std::stoi(words[4])) : 1;
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  require(file >= 0, path, ": not opened");
  H5Adelete(file, name.c_str());
  const hid_t type = H5Tcopy(H5T_C_S1);
  const hid_t space = words.size() > 4 ? H5Screate_simple(1, &count, nullptr) : H5Screate(H5S_SCALAR);
  H5Tset_size(type, text.size());
  for (std::string one = text; text.size() < one.size() * count;) text += one;
  const hid_t attribute = H5Acreate2(file, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT);
  require(H5Awrite(attribute, type, text.data()) >= 0, name, ": not written");
  H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
  require(H5Fclose(file) >= 0, path, ": not closed");
}

void rename_group(const std::vector<std::string>& words) {
  const std::string& path = words.at(1);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  require(file >= 0, path, ": not opened");
  const auto moved = H5Lmove(file, words.at(2).c_str(), file, words.at(3).c_str(), H5P_DEFAULT, H5P_DEFAULT);
  require(moved >= 0, words.at(2), ": not renamed");
  require(H5Fclose(file) >= 0, path, ": not closed");
}

/// F(s_k m) of the magnitude m, centred and orthonormal, by sums; coil k sees best what is near its place on
/// a circle around the image.
std::vector<float> scan(const Image& image, int coils) {
  const int H = image.height, W = image.width;
  using Complex = std::complex<double>;
  std::vector<float> values;
  const auto phase = [](int k, int h, int n) {
    return std::polar(1 / std::sqrt(double(n)), -2 * M_PI * double(k - n / 2) * double(h - n / 2) / n);
  };
  for (int coil = 0; coil < coils; ++coil) {
    std::vector<Complex> half(std::size_t(H) * std::size_t(W));  // transformed along W
    const double angle = 2 * M_PI * coil / coils;
    for (int h = 0; h < H; ++h)
      for (int k = 0; k < W; ++k)
        for (int w = 0; w < W; ++w) {
          const double dh = double(h) / H - 0.5 - 0.7 * std::sin(angle);
          const double dw = double(w) / W - 0.5 - 0.7 * std::cos(angle);
          const double seen = coils == 1 ? 1 : std::exp(-(dh * dh + dw * dw));
          const double m = (double(image.data[image.index(0, h, w)]) + 1) / 2;
          half[std::size_t(h * W + k)] += seen * m * phase(k, w, W);
        }
    for (int l = 0; l < H; ++l)
      for (int k = 0; k < W; ++k) {
        Complex sum = 0;
        for (int h = 0; h < H; ++h) sum += half[std::size_t(h * W + k)] * phase(l, h, H);
        values.push_back(float(1e-4 * sum.real()));  // fastMRI's own scale
        values.push_back(float(1e-4 * sum.imag()));
      }
  }
  return values;
}

void make_kspace(const std::vector<std::string>& words) {
  const Image image = to_gray(read_image(words.at(1)));
  const int coils = std::stoi(words.at(3));
  const bool masked = words.size() > 4 && words[4] == "masked";
  const std::size_t slices = words.size() > 5 ? std::stoul(words[5]) : 2;
  std::vector<float> slice = scan(image, coils), mask;
  for (int w = 0; w < image.width; ++w)
    mask.push_back(w % 3 == 0 || std::abs(w - image.width / 2) < 4 ? 1.f : 0.f);
  if (masked)
    for (std::size_t i = 0; i < slice.size(); ++i) slice[i] *= mask[i / 2 % std::size_t(image.width)];
  std::vector<float> all(slice.size() * (slices - 1), 0.f);
  all.insert(all.end(), slice.begin(), slice.end());
  const hid_t file = H5Fcreate(words.at(2).c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  require(file >= 0, words.at(2), ": not created");
  const hid_t complex = H5Tcreate(H5T_COMPOUND, 2 * sizeof(float));
  H5Tinsert(complex, "r", 0, H5T_NATIVE_FLOAT);
  H5Tinsert(complex, "i", sizeof(float), H5T_NATIVE_FLOAT);
  const auto write = [&](const char* name, std::vector<hsize_t> sides, hid_t type, const void* values) {
    const hid_t space = H5Screate_simple(int(sides.size()), sides.data(), nullptr);
    const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    require(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0, name, ": not written");
    H5Dclose(set);
    H5Sclose(space);
  };
  const hsize_t H = hsize_t(image.height), W = hsize_t(image.width);
  if (coils == 1)
    write("kspace", {slices, H, W}, complex, all.data());
  else
    write("kspace", {slices, hsize_t(coils), H, W}, complex, all.data());
  if (masked) write("mask", {W}, H5T_NATIVE_FLOAT, mask.data());
  H5Tclose(complex);
  require(H5Fclose(file) >= 0, words.at(2), ": not closed");
}

/// A gray TIFF of one strip.
void write_tiff(const std::string& path, int width, int height, const std::vector<std::uint16_t>& values) {
  std::string file = "II*";
  const auto number = [&file](std::uint32_t value, int bytes) {
    for (; bytes > 0; --bytes, value >>= 8) file += char(value);
  };
  file += '\0';
  number(std::uint32_t(8 + 2 * values.size()), 4);
  for (const std::uint16_t value : values) number(value, 2);
  // Width, height, bits, no compression, black is 0, where the strip is, samples, its rows and bytes.
  const std::pair<int, std::uint32_t> tags[] = {{256, width}, {257, height}, {258, 16},
                                                {259, 1},     {262, 1},      {273, 8},
                                                {277, 1},     {278, height}, {279, 2 * values.size()}};
  number(std::size(tags), 2);
  for (const auto& [tag, value] : tags)
    number(std::uint32_t(tag), 2), number(4, 2), number(1, 4), number(value, 4);
  number(0, 4);
  std::ofstream(path, std::ios::binary) << file;
}

void make_tiff(const std::vector<std::string>& words) {
  const Image image = to_gray(read_image(words.at(1)));
  std::vector<std::uint16_t> values;
  for (const float v : image.data) values.push_back(std::uint16_t(std::lround((double(v) + 1) / 2 * 65535)));
  write_tiff(words.at(2), image.width, image.height, values);
}

/// Each pixel's mass falls on the two detectors next to where its middle is seen.
void make_sinogram(const std::vector<std::string>& words) {
  Image image = to_gray(read_image(words.at(1)));
  const int side = image.width, angles = std::stoi(words.at(4));
  const double axis = std::stod(words.at(5)), intensity = std::stod(words.at(6)), middle = (side - 1) / 2.0;
  std::vector<double> sums(std::size_t(angles * side), 0.0);
  for (int h = 0; h < side; ++h)
    for (int w = 0; w < side; ++w) {
      const double x = w - middle, y = middle - h;
      float& pixel = image.data[image.index(0, h, w)];
      if (std::hypot(x, y) > 0.4 * side) pixel = -1;
      for (int a = 0; a < angles; ++a) {
        const double t = 2 * M_PI * a / angles, at = x * std::cos(t) + y * std::sin(t) + middle + axis;
        const int d = int(std::floor(at));
        const double mass = (double(pixel) + 1) / 2;
        for (const int i : {d, d + 1})
          if (i >= 0 && i < side) sums[std::size_t(a * side + i)] += mass * (1 - std::abs(at - i));
      }
    }
  std::vector<std::uint16_t> values;
  for (const double sum : sums)
    values.push_back(std::uint16_t(std::lround(intensity * std::exp(-3 * sum / side))));
  write_tiff(words.at(2), side, angles, values);
  write_png(words.at(3), image);
}

void has(const std::vector<std::string>& words) {
  std::ifstream file(words.at(1));
  const nlohmann::json json = nlohmann::json::parse(file);
  for (std::size_t i = 2; i < words.size(); ++i)
    require(json.contains(nlohmann::json::json_pointer(words[i])), words[1], ": has no ", words[i]);
}

void print_number(const std::vector<std::string>& words) {
  std::ifstream file(words.at(1));
  const nlohmann::json json = nlohmann::json::parse(file);
  std::printf("%.9g\n", json.at(nlohmann::json::json_pointer(words.at(2))).get<double>());
}

}  // namespace

void prepare(const std::vector<std::string>& words) {
  const std::string command = words.empty() ? "" : words[0];
  if (command == "crop")
    make_crop(words);
  else if (command == "mask")
    make_mask(words);
  else if (command == "spoil")
    spoil(words);
  else if (command == "attribute" || command == "attributes")
    set_attribute(words);
  else if (command == "rename")
    rename_group(words);
  else if (command == "kspace")
    make_kspace(words);
  else if (command == "tiff")
    make_tiff(words);
  else if (command == "sinogram")
    make_sinogram(words);
  else if (command == "npy")
    make_npy(words);
  else if (command == "has")
    has(words);
  else if (command == "number")
    print_number(words);
  else
    throw Error(usage);
}

}  // namespace tweedie::test
