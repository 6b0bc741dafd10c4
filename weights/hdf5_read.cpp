#include "weights/hdf5_read.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "weights/descriptor.hpp"
#include "weights/read_files.hpp"

namespace tweedie {

bool holds_hdf5(const std::string& path) {
  quiet_hdf5();
  std::error_code error;  // such a path leads to no file
  return std::filesystem::is_regular_file(path, error) && H5Fis_hdf5(path.c_str()) > 0;
}

Hdf5Handle open_hdf5(const std::string& path) {
  quiet_hdf5();
  {
    std::error_code error;
    const auto kind = std::filesystem::status(path, error).type();
    require(kind != std::filesystem::file_type::directory, path, ": is a folder, expected an HDF5 file");
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    const int reason = errno;
    require(file.get() >= 0, path, ": cannot be opened for reading: ", std::strerror(reason));
    require(kind == std::filesystem::file_type::regular, path, ": is not a regular file");
  }
  const htri_t is_hdf5 = H5Fis_hdf5(path.c_str());
  require_hdf5(is_hdf5 >= 0, path, ": cannot be opened");
  require(is_hdf5 > 0, path, ": not an HDF5 file");
  note_read(path);
  return {H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose, path + ": cannot be opened"};
}

Extents hdf5_extents(hid_t dataset, const std::string& what) {
  const Hdf5Handle space(H5Dget_space(dataset), H5Sclose, what + ": no dataspace");
  require(H5Sget_simple_extent_type(space) != H5S_NULL, what, ": an empty dataset");
  const int rank = H5Sget_simple_extent_ndims(space);
  require_hdf5(rank >= 0, what, ": not a simple array");
  std::vector<hsize_t> sides(static_cast<std::size_t>(rank));
  require_hdf5(H5Sget_simple_extent_dims(space, sides.data(), nullptr) >= 0, what, ": no shape");
  return {sides.begin(), sides.end()};
}

namespace {

void require_filters(hid_t dataset, const std::string& what) {
  const Hdf5Handle creation(H5Dget_create_plist(dataset), H5Pclose, what + ": no storage description");
  const int count = H5Pget_nfilters(creation);
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    char name[80] = "";
    const H5Z_filter_t filter = H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &values, nullptr,
                                               sizeof name, name, nullptr);
    require_hdf5(filter >= 0, what, ": no storage description");
    name[sizeof name - 1] = '\0';
    require(H5Zfilter_avail(filter) > 0, what, ": is compressed with the HDF5 filter ",
            *name ? message("'", name, "' (number ", filter, ")") : message("number ", filter),
            ", which is not installed here; store it with gzip or uncompressed");
  }
}

}  // namespace

void read_hdf5(void* out, hid_t dataset, hid_t memory_type, const std::string& what, hid_t memory_space,
               hid_t from) {
  if (H5Dread(dataset, memory_type, memory_space, from, H5P_DEFAULT, out) >= 0) return;
  const std::string reason = hdf5_reason();
  require_filters(dataset, what);
  throw Error(message(what, ": cannot be read", reason));
}

std::string hdf5_text(hid_t object, const std::string& name, const std::string& where) {
  const std::string what = message(where, ": attribute `", name, "`");
  require(H5Aexists(object, name.c_str()) > 0, what, " is missing");
  const std::string failure = what + " cannot be read";
  const Hdf5Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose, failure);
  const Hdf5Handle type(H5Aget_type(attribute), H5Tclose, failure);
  const Hdf5Handle space(H5Aget_space(attribute), H5Sclose, failure);
  require(H5Tget_class(type) == H5T_STRING, what, " is not text");
  require(H5Sget_simple_extent_npoints(space) == 1, what, ": expected one text, not an array");
  if (H5Tis_variable_str(type) > 0) {
    char* raw = nullptr;
    require_hdf5(H5Aread(attribute, type, static_cast<void*>(&raw)) >= 0, failure);
    require(raw != nullptr, failure);
    std::string text(raw);
    H5free_memory(raw);
    return text;
  }
  const std::size_t size = H5Tget_size(type);
  require(size <= H5Aget_storage_size(attribute), failure);
  std::string text(size, '\0');
  require_hdf5(H5Aread(attribute, type, text.data()) >= 0, failure);
  return text.substr(0, text.find('\0'));
}

}  // namespace tweedie
