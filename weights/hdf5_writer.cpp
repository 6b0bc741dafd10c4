#include "weights/hdf5_writer.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "weights/hdf5_output.hpp"
#include "weights/weight_file_format.hpp"

namespace tweedie {

namespace format = weight_file_format;

struct Hdf5Writer::State {
  State(const std::string& destination, Existing existing)
      : path(destination),
        failure(path + ": cannot be written"),
        staged(destination, existing),
        output(staged.path(), destination) {}

  std::string path;
  std::string failure;
  StagedFile staged;
  Hdf5Output output;
};

namespace {

// Chunks of at most 2^18 elements: large enough to compress well, small enough for HDF5's chunk cache.
std::vector<hsize_t> chunk_of(const std::vector<hsize_t>& sizes) {
  std::vector<hsize_t> chunk = sizes;
  hsize_t count = 1;
  for (const hsize_t size : sizes) count *= size;
  for (std::size_t axis = 0; axis < chunk.size() && count > (hsize_t{1} << 18); ++axis) {
    const hsize_t rest = count / chunk[axis];
    chunk[axis] = std::max<hsize_t>(1, (hsize_t{1} << 18) / rest);
    count = rest * chunk[axis];
  }
  return chunk;
}

// Times of creation would make two files of the same content differ.
Hdf5Handle creation_without_times(hid_t kind, const std::string& failure) {
  Hdf5Handle plain(H5Pcreate(kind), H5Pclose, failure);
  require_hdf5(H5Pset_obj_track_times(plain, false) >= 0, failure);
  return plain;
}

Hdf5Handle layout_of(const std::vector<hsize_t>& sizes, int compression, const std::string& failure) {
  Hdf5Handle layout = creation_without_times(H5P_DATASET_CREATE, failure);
  const bool empty = std::find(sizes.begin(), sizes.end(), hsize_t{0}) != sizes.end();
  if (compression == 0 || sizes.empty() || empty) return layout;
  const std::vector<hsize_t> chunk = chunk_of(sizes);
  const bool set = H5Pset_chunk(layout, static_cast<int>(chunk.size()), chunk.data()) >= 0 &&
                   H5Pset_shuffle(layout) >= 0 &&
                   H5Pset_deflate(layout, static_cast<unsigned>(compression)) >= 0;
  require_hdf5(set, failure, ": HDF5 offers no compression");
  return layout;
}

void write_attribute(hid_t file, const std::string& of, const std::string& name, hid_t stored, hid_t memory,
                     const void* value, const std::string& failure) {
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose, failure);
  const Hdf5Handle attribute(
      H5Acreate_by_name(file, of.c_str(), name.c_str(), stored, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
      H5Aclose, failure);
  require_hdf5(H5Awrite(attribute, memory, value) >= 0, failure);
}

}  // namespace

Hdf5Writer::Hdf5Writer(const std::string& path, Existing existing)
    : state_(std::make_unique<State>(path, existing)) {}

Hdf5Writer::~Hdf5Writer() = default;

void Hdf5Writer::group(const std::string& name) {
  const State& s = *state_;
  const Hdf5Handle plain = creation_without_times(H5P_GROUP_CREATE, s.failure);
  const Hdf5Handle made(H5Gcreate2(s.output.file(), name.c_str(), H5P_DEFAULT, plain, H5P_DEFAULT), H5Gclose,
                        s.failure);
  s.output.require_written();
}

void Hdf5Writer::array(const std::string& name, const Extents& extents, std::span<const float> values,
                       const ArrayStorage& storage, const std::string& what) {
  const State& s = *state_;
  const std::string where = what.empty() ? s.path + ": " + name : what;
  require(storage.compression >= 0 && storage.compression <= 9, "compression level ", storage.compression,
          ", expected 0 to 9");
  require(static_cast<std::size_t>(element_count(extents)) == values.size(), where, " of shape ",
          to_string(extents), " was given ", values.size(), " values");
  const Hdf5Handle type = format::stored_type(storage.element);
  const std::vector<std::uint16_t> bits = storage.element == Element::f32
                                              ? std::vector<std::uint16_t>()
                                              : encode_sixteen_bits(values, storage.element, where);
  const std::vector<hsize_t> sizes(extents.begin(), extents.end());
  const Hdf5Handle space(sizes.empty()
                             ? H5Screate(H5S_SCALAR)
                             : H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr),
                         H5Sclose, s.failure);
  const Hdf5Handle layout = layout_of(sizes, storage.compression, s.failure);
  {
    const Hdf5Handle dataset(
        H5Dcreate2(s.output.file(), name.c_str(), type, space, H5P_DEFAULT, layout, H5P_DEFAULT), H5Dclose,
        s.failure);
    const void* data =
        storage.element == Element::f32 ? static_cast<const void*>(values.data()) : bits.data();
    require_hdf5(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0, s.failure);
  }
  if (storage.element == Element::bf16) text(format::dtype, format::bfloat16, name);
  s.output.require_written();
}

void Hdf5Writer::text(const std::string& name, const std::string& value, const std::string& of) {
  const State& s = *state_;
  const Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose, s.failure);
  require_hdf5(H5Tset_size(type, H5T_VARIABLE) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0, s.failure);
  const char* pointer = value.c_str();
  write_attribute(s.output.file(), of, name, type, type, &pointer, s.failure);
}

void Hdf5Writer::integer(const std::string& name, int value, const std::string& of) {
  const State& s = *state_;
  write_attribute(s.output.file(), of, name, H5T_STD_I32LE, H5T_NATIVE_INT, &value, s.failure);
}

void Hdf5Writer::commit() {
  state_->output.close();
  state_->staged.commit();
  state_.reset();
}

}  // namespace tweedie
