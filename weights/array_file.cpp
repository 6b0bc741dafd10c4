#include "weights/array_file.hpp"

#include <algorithm>
#include <fstream>

#include "weights/hdf5_handle.hpp"

namespace tweedie {

struct ArrayFile::State {
  std::string path;
  Hdf5Handle file;
  Hdf5Handle dataset(const std::string& name) const {
    return {H5Dopen2(file, name.c_str(), H5P_DEFAULT), H5Dclose,
            message(path, ": there is no dataset '", name, "'")};
  }
};

namespace {

Hdf5Handle open_file(const std::string& path) {
  quiet_hdf5();
  require(std::ifstream(path).good(), path, ": cannot be opened for reading");
  require(H5Fis_hdf5(path.c_str()) > 0, path, ": not an HDF5 file");
  return {H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, message(path, ": damaged HDF5 file")};
}

Extents extents_of(hid_t dataset, const std::string& what) {
  const Hdf5Handle space(H5Dget_space(dataset), H5Sclose, what + ": no dataspace");
  const int rank = H5Sget_simple_extent_ndims(space);
  require(rank >= 0, what, ": not a simple array");
  std::vector<hsize_t> sides(static_cast<std::size_t>(rank));
  H5Sget_simple_extent_dims(space, sides.data(), nullptr);
  return {sides.begin(), sides.end()};
}

template <class T>
std::vector<T> read(hid_t dataset, hid_t type, const std::string& what) {
  const Hdf5Handle stored(H5Dget_type(dataset), H5Tclose, what + ": no type");
  const H5T_class_t kind = H5Tget_class(stored);
  require(kind == H5T_FLOAT || kind == H5T_INTEGER, what, ": not an array of numbers");
  std::vector<T> values(static_cast<std::size_t>(element_count(extents_of(dataset, what))));
  require(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0, what,
          ": cannot be read");
  return values;
}

}  // namespace

ArrayFile::ArrayFile(const std::string& path) : state_(new State{path, open_file(path)}) {}
ArrayFile::~ArrayFile() = default;
ArrayFile::ArrayFile(ArrayFile&&) noexcept = default;

const std::string& ArrayFile::path() const { return state_->path; }

bool ArrayFile::has(const std::string& name) const {
  return H5Lexists(state_->file, name.c_str(), H5P_DEFAULT) > 0;
}

std::vector<std::string> ArrayFile::names() const {
  std::vector<std::string> found;
  const auto add = [](hid_t, const char* name, const H5L_info_t*, void* to) -> herr_t {
    static_cast<std::vector<std::string>*>(to)->push_back(name);
    return 0;
  };
  H5Literate(state_->file, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &found);
  std::sort(found.begin(), found.end());
  return found;
}

Extents ArrayFile::extents(const std::string& name) const {
  return extents_of(state_->dataset(name), message(state_->path, ": ", name));
}

std::vector<float> ArrayFile::floats(const std::string& name) const {
  return read<float>(state_->dataset(name), H5T_NATIVE_FLOAT, message(state_->path, ": ", name));
}

std::vector<double> ArrayFile::doubles(const std::string& name) const {
  return read<double>(state_->dataset(name), H5T_NATIVE_DOUBLE, message(state_->path, ": ", name));
}

std::vector<std::int64_t> ArrayFile::integers(const std::string& name) const {
  return read<std::int64_t>(state_->dataset(name), H5T_NATIVE_INT64, message(state_->path, ": ", name));
}

bool ArrayFile::has_attribute(const std::string& name, const std::string& of) const {
  return H5Aexists_by_name(state_->file, of.c_str(), name.c_str(), H5P_DEFAULT) > 0;
}

std::vector<double> ArrayFile::number_attribute(const std::string& name, const std::string& of) const {
  const std::string what = message(state_->path, ": attribute '", name, "' of ", of);
  const Hdf5Handle attribute(
      H5Aopen_by_name(state_->file, of.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
      what + " is missing");
  const Hdf5Handle space(H5Aget_space(attribute), H5Sclose, what + ": no dataspace");
  std::vector<double> values(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space)));
  require(H5Aread(attribute, H5T_NATIVE_DOUBLE, values.data()) >= 0, what, ": not numbers");
  return values;
}

nlohmann::json ArrayFile::json_attribute(const std::string& name) const {
  const std::string what = message(state_->path, ": attribute '", name, "'");
  const Hdf5Handle attribute(H5Aopen(state_->file, name.c_str(), H5P_DEFAULT), H5Aclose,
                             what + " is missing");
  const Hdf5Handle type(H5Aget_type(attribute), H5Tclose, what + ": no type");
  require(H5Tget_class(type) == H5T_STRING, what, ": expected text");
  const Hdf5Handle space(H5Aget_space(attribute), H5Sclose, what + ": no dataspace");
  require(H5Sget_simple_extent_npoints(space) == 1, what, ": expected one text, not an array");
  std::string text;
  if (H5Tis_variable_str(type) > 0) {
    char* raw = nullptr;
    require(H5Aread(attribute, type, static_cast<void*>(&raw)) >= 0 && raw, what, ": cannot be read");
    text = raw;
    H5free_memory(raw);
  } else {
    text.resize(H5Tget_size(type));
    require(H5Aread(attribute, type, text.data()) >= 0, what, ": cannot be read");
    text.resize(std::min(text.size(), text.find('\0')));
  }
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception&) {
    throw Error(what + ": not JSON");
  }
}

}  // namespace tweedie
