#include "tools/arrays.hpp"

#include <fstream>

#include "kernels/error.hpp"
#include "tools/codec.hpp"
#include "tools/files.hpp"
#include "weights/array_file.hpp"
#include "weights/hdf5_read.hpp"
#include "weights/npy_file.hpp"

namespace tweedie {
namespace {

// As for images: 16-bit RGB of the largest size, not compressed, and 32-bit volumes of 1 GiB.
constexpr std::size_t max_file_bytes = std::size_t(1) << 30;

enum class Kind { none, npy, npz, hdf5, tiff };

Kind kind_of(const ByteSource& source) {
  std::string start(std::size_t(std::min<std::uint64_t>(16, source.size())), '\0');
  source.read(std::as_writable_bytes(std::span(start)), 0);
  if (is_npy(source)) return Kind::npy;
  if (start.starts_with("PK\x03\x04")) return Kind::npz;
  if (is_tiff(start, source.size())) return Kind::tiff;
  return holds_hdf5(source.name()) ? Kind::hdf5 : Kind::none;
}

Array from_npy(const NpyArray& array, const std::string& name) {
  return {name, array.shape(), array.type(), array.floats()};
}

/// The name that was asked for, or the only one there is.
std::string choose(const std::string& path, const std::string& wanted,
                   const std::vector<std::string>& names) {
  if (!wanted.empty()) return wanted;
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  require(!names.empty(), path, ": holds no array");
  require(names.size() == 1, path, ": holds several arrays (", all, "), expected one alone");
  return names[0];
}

Array with_axes_reversed(Array array) {
  const std::size_t axes = array.shape.size();
  if (axes < 2) return array;
  Extents shape(array.shape.rbegin(), array.shape.rend());
  // Steps in the stored array of the reversed one's axes.
  std::vector<std::size_t> steps(axes, 1), index(axes, 0);
  for (std::size_t axis = 1; axis < axes; ++axis)
    steps[axis] = steps[axis - 1] * std::size_t(shape[axis - 1]);
  std::vector<float> values;
  values.reserve(array.values.size());
  while (values.size() < array.values.size()) {
    std::size_t at = 0;
    for (std::size_t axis = 0; axis < axes; ++axis) at += index[axis] * steps[axis];
    values.push_back(array.values[at]);
    for (std::size_t axis = axes; axis-- > 0;) {  // the last axis is the fastest
      if (++index[axis] < std::size_t(shape[axis])) break;
      index[axis] = 0;
    }
  }
  return {array.name, shape, array.type, std::move(values)};
}

Array from_hdf5(const std::string& path, const std::string& wanted) {
  const ArrayFile file(path);
  const std::string name = choose(path, wanted, file.names());
  Array array{path + ": " + name, file.extents(name), "", file.floats(name)};
  // MATLAB's arrays have their first index fastest: its files name the axes the other way round.
  return file.has_attribute("MATLAB_class", name) ? with_axes_reversed(std::move(array)) : array;
}

Extents shape_of(int channels, int height, int width) {
  if (channels > 1) return {channels, height, width};
  return {height, width};
}

Array from_tiff(const std::string& path, std::vector<std::string>& notes) {
  TiffSamples samples = decode_tiff(read_file(path, max_file_bytes), path, notes);
  return {path, shape_of(samples.channels, samples.height, samples.width), samples.type,
          std::move(samples.values)};
}

}  // namespace

bool is_array_file(const std::string& path) {
  try {
    return kind_of(*open_file(path)) != Kind::none;
  } catch (const Error&) {
    return false;
  }
}

Array read_array(const std::string& path, const std::string& dataset, std::vector<std::string>* notes) {
  std::vector<std::string> unread;
  const std::shared_ptr<const ByteSource> source = open_file(path);
  const Kind kind = kind_of(*source);
  require(dataset.empty() || kind == Kind::npz || kind == Kind::hdf5, path, ": has no array '", dataset,
          "': it is not a HDF5 or .npz file");
  switch (kind) {
    case Kind::npy:
      return from_npy(NpyArray::read(*source), path);
    case Kind::npz: {
      const NpzFile file(source);
      const std::string name = choose(path, dataset, file.names());
      return from_npy(file.read(name), path + ": " + name);
    }
    case Kind::hdf5:
      return from_hdf5(path, dataset);
    case Kind::tiff:
      return from_tiff(path, notes ? *notes : unread);
    case Kind::none:
      break;
  }
  throw Error(path + ": not an array: expected a .npy, .npz, HDF5 or TIFF file");
}

Array read_array_called(const std::string& path, const std::string& name) {
  const std::shared_ptr<const ByteSource> source = open_file(path);
  const Kind kind = kind_of(*source);
  const bool has =
      (kind == Kind::hdf5 && ArrayFile(path).has(name)) || (kind == Kind::npz && NpzFile(source).has(name));
  return read_array(path, has ? name : "");
}

bool is_png_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char start[16] = {};
  file.read(start, sizeof start);
  return is_png({start, std::size_t(file.gcount())});
}

Array read_png_array(const std::string& path, std::vector<std::string>* notes) {
  std::vector<std::string> unread;
  const Raster raster = decode_png(read_file(path, max_file_bytes), path, notes ? *notes : unread);
  const auto channels = std::size_t(raster.channels);
  Array array{
      path, shape_of(raster.channels, raster.height, raster.width), raster.peak == 255 ? "|u1" : "<u2", {}};
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t i = c; i < raster.count(); i += channels)
      array.values.push_back(float(raster.sample(i)));
  return array;
}

void write_npy(const std::string& path, const Extents& shape, const std::vector<float>& values) {
  atomic_write(path, npy_bytes(shape, values));
}

}  // namespace tweedie
