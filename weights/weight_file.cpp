#include "weights/weight_file.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "weights/hdf5_read.hpp"
#include "weights/strict_json.hpp"
#include "weights/weight_file_format.hpp"

namespace tweedie {

namespace format = weight_file_format;
using nlohmann::json;

namespace {

json read_json(hid_t object, const char* name, const std::string& where) {
  const std::string what = where + ": the attribute `" + name + "`";
  json parsed = parse_json(hdf5_text(object, name, where), what);
  require(parsed.is_object(), what, " is not a JSON object");
  return parsed;
}

int read_version(hid_t object, const std::string& where) {
  const std::string failure = where + ": cannot read the attribute `version`";
  const Hdf5Handle attribute(H5Aopen(object, "version", H5P_DEFAULT), H5Aclose, failure);
  const Hdf5Handle type(H5Aget_type(attribute), H5Tclose, failure);
  const Hdf5Handle space(H5Aget_space(attribute), H5Sclose, failure);
  int version = 0;
  require(H5Tget_class(type) == H5T_INTEGER && H5Sget_simple_extent_npoints(space) == 1, failure,
          ": it is no whole number");
  require_hdf5(H5Aread(attribute, H5T_NATIVE_INT, &version) >= 0, failure);
  return version;
}

herr_t collect_name(hid_t, const char* name, const H5L_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

}  // namespace

struct WeightFile::State {
  State(const std::string& file_path, Hdf5Handle opened_file, Hdf5Handle opened_tensors)
      : path(file_path), file(std::move(opened_file)), tensors(std::move(opened_tensors)) {}

  Hdf5Handle open(const std::string& key) const {
    require(std::binary_search(keys.begin(), keys.end(), key), path, ": there is no tensor ", key);
    return {H5Dopen2(tensors, key.c_str(), H5P_DEFAULT), H5Dclose, path + ": cannot open the tensor " + key};
  }

  std::string what(const std::string& key) const { return path + ": the tensor " + key; }

  Element element(hid_t dataset, const std::string& key) const;
  std::vector<float> values(hid_t dataset, const std::string& key, std::size_t count) const;

  std::string path;
  Hdf5Handle file;
  Hdf5Handle tensors;
  WeightFileHeader header;
  std::vector<std::string> keys;
  std::set<std::string> used;
};

Element WeightFile::State::element(hid_t dataset, const std::string& key) const {
  const Hdf5Handle type(H5Dget_type(dataset), H5Tclose, what(key) + " has no type");
  const bool marked = H5Aexists(dataset, format::dtype) > 0 &&
                      hdf5_text(dataset, format::dtype, path + ": " + key) == format::bfloat16;
  const Element sixteen = marked ? Element::bf16 : Element::f16;
  if (H5Tequal(type, format::stored_type(sixteen)) > 0) return sixteen;
  require(!marked && H5Tget_class(type) == H5T_FLOAT, path, ": the tensor ", key,
          " is not stored as float32, float16 or bfloat16");
  return Element::f32;
}

// Sixteen-bit values are read as they are and decoded by us: HDF5's own float16 conversion is slow, and it
// knows no bfloat16.
std::vector<float> WeightFile::State::values(hid_t dataset, const std::string& key, std::size_t count) const {
  std::vector<float> values(count);
  const Element stored = element(dataset, key);
  if (stored == Element::f32) {
    read_hdf5(values.data(), dataset, H5T_NATIVE_FLOAT, what(key));
    return values;
  }
  std::vector<std::uint16_t> bits(count);
  read_hdf5(bits.data(), dataset, format::stored_type(stored), what(key));
  decode_elements(values, std::as_bytes(std::span(bits)), stored);
  return values;
}

WeightFile::WeightFile(const std::string& path) {
  Hdf5Handle file = open_hdf5(path);
  const bool ours = H5Aexists(file, "format") > 0 && hdf5_text(file, "format", path) == format::name;
  require(ours, path, ": an HDF5 file, but not a weight file of tweedie-convert (no attribute `format` = \"",
          format::name, "\")");
  for (const char* name : {"version", "architecture", "config", "diffusion", "source"})
    require(H5Aexists(file, name) > 0, path, ": the attribute `", name, "` is missing");
  const int version = read_version(file, path);
  require(version == format::version, path, ": weight file of version ", version, ", expected ",
          format::version, "; convert the checkpoint again");
  const bool grouped = H5Lexists(file, format::tensors, H5P_DEFAULT) > 0;
  require(grouped, path, ": the group `", format::tensors, "` is missing");
  Hdf5Handle tensors(H5Gopen2(file, format::tensors, H5P_DEFAULT), H5Gclose,
                     path + ": `" + format::tensors + "` is not a group");

  state_ = std::make_unique<State>(path, std::move(file), std::move(tensors));
  WeightFileHeader& header = state_->header;
  header.architecture = hdf5_text(state_->file, "architecture", path);
  header.config = read_json(state_->file, "config", path);
  header.diffusion = read_json(state_->file, "diffusion", path);
  header.source = hdf5_text(state_->file, "source", path);
  require_hdf5(
      H5Literate(state_->tensors, H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, collect_name, &state_->keys) >= 0,
      path, ": cannot list its tensors");
  std::sort(state_->keys.begin(), state_->keys.end());
}

WeightFile::~WeightFile() = default;
WeightFile::WeightFile(WeightFile&&) noexcept = default;
WeightFile& WeightFile::operator=(WeightFile&&) noexcept = default;

const WeightFileHeader& WeightFile::header() const { return state_->header; }

const std::vector<std::string>& WeightFile::keys() const { return state_->keys; }

Extents WeightFile::extents(const std::string& key) const {
  return hdf5_extents(state_->open(key), state_->what(key));
}

Element WeightFile::element(const std::string& key) const { return state_->element(state_->open(key), key); }

bool WeightFile::has(const std::string& key) const {
  return std::binary_search(state_->keys.begin(), state_->keys.end(), key);
}

std::vector<float> WeightFile::read(const std::string& key, const Extents& expected) {
  require(has(key), state_->path, ": there is no tensor ", key, ", expected one of shape ",
          to_string(expected));
  const Hdf5Handle dataset = state_->open(key);
  const Extents found = hdf5_extents(dataset, state_->what(key));
  require(found == expected, state_->path, ": the tensor ", key, " has shape ", to_string(found),
          ", expected ", to_string(expected));
  std::vector<float> values = state_->values(dataset, key, static_cast<std::size_t>(element_count(expected)));
  require_finite(values, state_->path + ": the tensor " + key);
  state_->used.insert(key);
  return values;
}

void WeightFile::require_all_used() const {
  for (const std::string& key : state_->keys)
    require(state_->used.contains(key), state_->path, ": the tensor ", key,
            " has no place in this network; does the configuration belong to these weights?");
}

}  // namespace tweedie
