// What the scripts beside this file need and a shell does not have: pictures, spoiled weight files, JSON.
#include <hdf5.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/error.hpp"
#include "tools/image.hpp"

using namespace tweedie;

namespace {

constexpr const char* usage =
    "usage: prepare crop IN OUT HEIGHT WIDTH [gray]   upper left part of a picture\n"
    "       prepare mask OUT HEIGHT WIDTH             every third pixel black\n"
    "       prepare spoil IN OUT WHAT KEY             weight file, WHAT: missing, surplus, shape or nan\n"
    "       prepare attribute FILE NAME TEXT          root attribute of an HDF5 file, replaced\n"
    "       prepare rename FILE FROM TO               of a group in an HDF5 file\n"
    "       prepare has FILE POINTER...               exit code 0 when a JSON file has all of these\n";

void make_crop(const std::vector<std::string>& words) {
  const Image part = crop(read_image(words.at(1)), 0, 0, std::stoi(words.at(3)), std::stoi(words.at(4)));
  write_png(words.at(2), words.size() > 5 ? to_gray(part) : part);
}

void make_mask(const std::vector<std::string>& words) {
  Image mask = uniform_image(1, std::stoi(words.at(2)), std::stoi(words.at(3)), 1);
  for (std::size_t i = 0; i < mask.data.size(); i += 3) mask.data[i] = -1;
  write_png(words.at(1), mask);
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
  const std::string &path = words.at(1), &name = words.at(2), &text = words.at(3);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  require(file >= 0, path, ": not opened");
  H5Adelete(file, name.c_str());
  const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
  H5Tset_size(type, text.size());
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

void has(const std::vector<std::string>& words) {
  std::ifstream file(words.at(1));
  const nlohmann::json json = nlohmann::json::parse(file);
  for (std::size_t i = 2; i < words.size(); ++i)
    require(json.contains(nlohmann::json::json_pointer(words[i])), words[1], ": has no ", words[i]);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const std::string command = words.empty() ? "" : words[0];
  try {
    if (command == "crop")
      make_crop(words);
    else if (command == "mask")
      make_mask(words);
    else if (command == "spoil")
      spoil(words);
    else if (command == "attribute")
      set_attribute(words);
    else if (command == "rename")
      rename_group(words);
    else if (command == "has")
      has(words);
    else
      throw Error(usage);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "prepare: %s\n", error.what());
    return 1;
  }
  return 0;
}
