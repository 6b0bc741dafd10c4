#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "weights/weight_file.hpp"
#include "weights/weight_file_format.hpp"

namespace tweedie {

namespace format = weight_file_format;

namespace {

void write_text(hid_t object, const char* name, const std::string& text, const std::string& failure) {
  const Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose, failure);
  const bool set = H5Tset_size(type, H5T_VARIABLE) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0;
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose, failure);
  const Hdf5Handle attribute(H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
                             failure);
  const char* pointer = text.c_str();
  require(set && H5Awrite(attribute, type, &pointer) >= 0, failure);
}

void write_header(hid_t file, const WeightFileHeader& header, const std::string& failure) {
  write_text(file, "format", format::name, failure);
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose, failure);
  const Hdf5Handle version(H5Acreate2(file, "version", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT),
                           H5Aclose, failure);
  require(H5Awrite(version, H5T_NATIVE_INT, &format::version) >= 0, failure);
  write_text(file, "architecture", header.architecture, failure);
  write_text(file, "config", header.config.dump(), failure);
  write_text(file, "diffusion", header.diffusion.dump(), failure);
  write_text(file, "source", header.source, failure);
}

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

std::vector<std::uint16_t> encode(std::span<const float> values, Element stored, const std::string& where) {
  std::vector<std::uint16_t> bits(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    bits[i] = stored == Element::f16 ? half_from_float(values[i]) : bfloat16_from_float(values[i]);
    const float back = stored == Element::f16 ? float_from_half(bits[i]) : float_from_bfloat16(bits[i]);
    require(std::isfinite(back), where, " has the value ", values[i], " at element ", i, ", too large for ",
            element_name(stored));
  }
  return bits;
}

// A file or folder is on disk once it was synchronised through a descriptor of its own.
bool synchronise(const std::string& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool done = ::fsync(descriptor) == 0;
  return ::close(descriptor) == 0 && done;
}

// A file that disappears again unless it is given away.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  ~TemporaryFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }
  void release() { path_.clear(); }

 private:
  std::string path_;
};

}  // namespace

struct WeightFileWriter::State {
  State(const std::string& destination, const WeightFileHeader& header, const WeightFileOptions& chosen)
      : path(destination),
        failure(path + ": cannot be written"),
        options(chosen),
        temporary(destination + ".partial-" + std::to_string(::getpid())),
        file(create(*this)),
        tensors(H5Gcreate2(file, format::tensors, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose, failure) {
    write_header(file, header, failure);
  }

  static hid_t create_file(const State& s) {
    quiet_hdf5();
    std::error_code error;
    require(s.options.compression >= 0 && s.options.compression <= 9, "compression level ",
            s.options.compression, ", expected 0 to 9");
    require(!std::filesystem::is_directory(s.path, error), s.path, ": is a folder");
    require(s.options.overwrite || !std::filesystem::exists(s.path, error), s.path,
            ": exists already and is not overwritten");
    // Creating it ourselves first gives the system's reason, which HDF5 does not pass on.
    const int descriptor = ::open(s.temporary.path().c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666);
    require(descriptor >= 0, s.path, ": cannot be written: ", std::strerror(errno));
    ::close(descriptor);
    return H5Fcreate(s.temporary.path().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  }
  static Hdf5Handle create(const State& s) { return {create_file(s), H5Fclose, s.failure}; }

  std::string path;
  std::string failure;
  WeightFileOptions options;
  TemporaryFile temporary;  // outlives the handles below, which still write to it when they close
  Hdf5Handle file;
  Hdf5Handle tensors;
};

WeightFileWriter::WeightFileWriter(const std::string& path, const WeightFileHeader& header,
                                   const WeightFileOptions& options)
    : state_(std::make_unique<State>(path, header, options)) {}

WeightFileWriter::~WeightFileWriter() = default;

void WeightFileWriter::write(const std::string& key, const Extents& extents, std::span<const float> values,
                             Element stored) {
  const std::string where = state_->path + ": the tensor " + key;
  const bool nameable = !key.empty() && key != "." && key.find('/') == std::string::npos &&
                        key.find('\0') == std::string::npos && key.size() < 1024;
  require(nameable, where, " has a name that HDF5 cannot store");
  require(H5Lexists(state_->tensors, key.c_str(), H5P_DEFAULT) <= 0, where, " is written twice");
  require(static_cast<std::size_t>(element_count(extents)) == values.size(), where, " of shape ",
          to_string(extents), " was given ", values.size(), " values");
  require_finite(values, where);

  const std::string& failure = state_->failure;
  const Hdf5Handle type = format::stored_type(stored);
  const std::vector<hsize_t> sizes(extents.begin(), extents.end());
  const Hdf5Handle space(sizes.empty()
                             ? H5Screate(H5S_SCALAR)
                             : H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr),
                         H5Sclose, failure);
  const Hdf5Handle layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, failure);
  if (state_->options.compression > 0 && !sizes.empty() && !values.empty()) {
    const std::vector<hsize_t> chunk = chunk_of(sizes);
    const bool set = H5Pset_chunk(layout, static_cast<int>(chunk.size()), chunk.data()) >= 0 &&
                     H5Pset_shuffle(layout) >= 0 &&
                     H5Pset_deflate(layout, static_cast<unsigned>(state_->options.compression)) >= 0;
    require(set, failure, ": HDF5 offers no compression");
  }
  const Hdf5Handle dataset(
      H5Dcreate2(state_->tensors, key.c_str(), type, space, H5P_DEFAULT, layout, H5P_DEFAULT), H5Dclose,
      failure);
  herr_t written = 0;
  if (stored == Element::f32) {
    written = H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  } else {
    const std::vector<std::uint16_t> bits = encode(values, stored, where);
    written = H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bits.data());
  }
  require(written >= 0, failure, ": writing failed (disk full?)");
  if (stored == Element::bf16) write_text(dataset, format::dtype, format::bfloat16, failure);
}

void WeightFileWriter::commit() {
  State& s = *state_;
  s.tensors.reset();
  require(s.file.reset() && synchronise(s.temporary.path(), O_RDWR), s.failure,
          ": writing failed (disk full?)");
  int moved = -1;
  if (!s.options.overwrite) {  // somebody may have made the destination since we looked
    moved = ::renameat2(AT_FDCWD, s.temporary.path().c_str(), AT_FDCWD, s.path.c_str(), RENAME_NOREPLACE);
    require(moved == 0 || errno != EEXIST, s.path, ": exists already and is not overwritten");
  }
  if (moved != 0) moved = ::rename(s.temporary.path().c_str(), s.path.c_str());
  require(moved == 0, s.failure, ": ", std::strerror(errno));
  s.temporary.release();
  const std::string folder = std::filesystem::path(s.path).parent_path().string();
  synchronise(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);  // some file systems refuse: no harm
  state_.reset();
}

}  // namespace tweedie
