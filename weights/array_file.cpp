#include "weights/array_file.hpp"

#include <algorithm>
#include <cmath>

#include "weights/hdf5_read.hpp"
#include "weights/strict_json.hpp"

namespace tweedie {

struct ArrayFile::State {
  std::string path;
  Hdf5Handle file;
  std::string what(const std::string& name) const { return message(path, ": ", name); }
  Hdf5Handle dataset(const std::string& name) const {
    const bool there = H5Lexists(file, name.c_str(), H5P_DEFAULT) > 0;
    require(there, path, ": there is no dataset '", name, "'");
    return {H5Dopen2(file, name.c_str(), H5P_DEFAULT), H5Dclose, what(name) + ": cannot be opened"};
  }
};

namespace {

std::size_t value_count(hid_t dataset, const std::string& what) {
  const Extents extents = hdf5_extents(dataset, what);
  const std::int64_t count = element_count(extents);
  require(count < std::int64_t{1} << 40, what, " has shape ", to_string(extents),
          ", larger than any array that is read");
  return static_cast<std::size_t>(count);
}

// The library converts numbers to numbers, and nothing else.
template <class T>
std::vector<T> read_numbers(hid_t dataset, hid_t type, const std::string& what) {
  std::vector<T> values(value_count(dataset, what));
  read_hdf5(values.data(), dataset, type, what);
  return values;
}

// Truth values: h5py stores them as an enumeration of bytes, others as fields of bits.
template <class T>
std::vector<T> read_truth_values(hid_t dataset, hid_t stored, const std::string& what) {
  const std::vector<signed char> bytes = read_numbers<signed char>(dataset, stored, what);
  for (const signed char byte : bytes)
    require(byte == 0 || byte == 1, what, ": holds the value ", int(byte), " among truth values");
  return {bytes.begin(), bytes.end()};
}

bool are_truth_values(hid_t type) {
  const H5T_class_t kind = H5Tget_class(type);
  if (H5Tget_size(type) != 1) return false;
  if (kind == H5T_BITFIELD) return true;
  return kind == H5T_ENUM && H5Tget_nmembers(type) == 2;
}

std::string kind_name(H5T_class_t kind) {
  switch (kind) {
    case H5T_STRING:
      return "text";
    case H5T_COMPOUND:
      return "records (complex numbers?)";
    case H5T_ENUM:
      return "an enumeration";
    case H5T_REFERENCE:
      return "references";
    default:
      return "values of another kind";
  }
}

// T, float or double; conversions from every kind of number.
template <class T>
std::vector<T> read_reals(hid_t dataset, hid_t type, const std::string& what) {
  const Hdf5Handle stored(H5Dget_type(dataset), H5Tclose, what + ": no type");
  if (are_truth_values(stored)) return read_truth_values<T>(dataset, stored, what);
  const H5T_class_t kind = H5Tget_class(stored);
  require(kind == H5T_FLOAT || kind == H5T_INTEGER, what, ": holds ", kind_name(kind), ", expected numbers");
  return read_numbers<T>(dataset, type, what);
}

}  // namespace

ArrayFile::ArrayFile(const std::string& path) : state_(new State{path, open_hdf5(path)}) {}
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
  require_hdf5(H5Literate(state_->file, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &found) >= 0, state_->path,
               ": cannot list its contents");
  std::sort(found.begin(), found.end());
  return found;
}

Extents ArrayFile::extents(const std::string& name) const {
  return hdf5_extents(state_->dataset(name), state_->what(name));
}

std::vector<float> ArrayFile::floats(const std::string& name) const {
  const Hdf5Handle dataset = state_->dataset(name);
  const Hdf5Handle stored(H5Dget_type(dataset), H5Tclose, state_->what(name) + ": no type");
  if (H5Tget_class(stored) != H5T_FLOAT || H5Tget_size(stored) <= sizeof(float))
    return read_reals<float>(dataset, H5T_NATIVE_FLOAT, state_->what(name));
  // The library would turn what is too large into infinity without a word.
  const std::vector<double> values = doubles(name);
  std::vector<float> out(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    out[i] = static_cast<float>(values[i]);
    require(std::isfinite(out[i]) || !std::isfinite(values[i]), state_->what(name), ": holds ", values[i],
            " at element ", i, ", too large for float32");
  }
  return out;
}

std::vector<double> ArrayFile::doubles(const std::string& name) const {
  return read_reals<double>(state_->dataset(name), H5T_NATIVE_DOUBLE, state_->what(name));
}

std::vector<std::int64_t> ArrayFile::integers(const std::string& name) const {
  const Hdf5Handle dataset = state_->dataset(name);
  const std::string what = state_->what(name);
  const Hdf5Handle stored(H5Dget_type(dataset), H5Tclose, what + ": no type");
  if (H5Tget_class(stored) == H5T_INTEGER) return read_numbers<std::int64_t>(dataset, H5T_NATIVE_INT64, what);
  const std::vector<double> values = doubles(name);
  std::vector<std::int64_t> out;
  for (const double value : values) {
    require(value == std::floor(value) && std::abs(value) < 0x1p53, what, ": holds ", value,
            ", expected whole numbers");
    out.push_back(static_cast<std::int64_t>(value));
  }
  return out;
}

bool ArrayFile::has_attribute(const std::string& name, const std::string& of) const {
  return H5Aexists_by_name(state_->file, of.c_str(), name.c_str(), H5P_DEFAULT) > 0;
}

std::vector<double> ArrayFile::number_attribute(const std::string& name, const std::string& of) const {
  const std::string what = message(state_->path, ": attribute '", name, "' of ", of);
  require(has_attribute(name, of), what, " is missing");
  const Hdf5Handle attribute(
      H5Aopen_by_name(state_->file, of.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
      what + ": cannot be opened");
  const Hdf5Handle type(H5Aget_type(attribute), H5Tclose, what + ": no type");
  const H5T_class_t kind = H5Tget_class(type);
  require(kind == H5T_FLOAT || kind == H5T_INTEGER, what, ": holds ", kind_name(kind), ", expected numbers");
  const Hdf5Handle space(H5Aget_space(attribute), H5Sclose, what + ": no dataspace");
  const hssize_t count = H5Sget_simple_extent_npoints(space);
  require_hdf5(count >= 0, what, ": not a simple array");
  std::vector<double> values(static_cast<std::size_t>(count));
  if (count > 0)
    require_hdf5(H5Aread(attribute, H5T_NATIVE_DOUBLE, values.data()) >= 0, what, ": cannot be read");
  return values;
}

std::string ArrayFile::text_attribute(const std::string& name, const std::string& of) const {
  const Hdf5Handle object(H5Oopen(state_->file, of.c_str(), H5P_DEFAULT), H5Oclose,
                          message(state_->path, ": there is no object ", of));
  return hdf5_text(object, name, state_->path);
}

nlohmann::json ArrayFile::json_attribute(const std::string& name, const std::string& of) const {
  return parse_json(text_attribute(name, of), message(state_->path, ": attribute `", name, "`"));
}

}  // namespace tweedie
