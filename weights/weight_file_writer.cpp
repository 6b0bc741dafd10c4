#include <optional>
#include <set>

#include "weights/hdf5_writer.hpp"
#include "weights/weight_file.hpp"
#include "weights/weight_file_format.hpp"

namespace tweedie {

namespace format = weight_file_format;

struct WeightFileWriter::State {
  State(const std::string& destination, const WeightFileOptions& chosen)
      : path(destination),
        compression(chosen.compression),
        file(destination, chosen.overwrite ? Existing::replace : Existing::refuse) {}

  std::string path;
  int compression;
  Hdf5Writer file;
  std::set<std::string> keys;
};

WeightFileWriter::WeightFileWriter(const std::string& path, const WeightFileHeader& header,
                                   const WeightFileOptions& options) {
  require(options.compression >= 0 && options.compression <= 9, "compression level ", options.compression,
          ", expected 0 to 9");
  state_ = std::make_unique<State>(path, options);
  Hdf5Writer& file = state_->file;
  file.text("format", format::name);
  file.integer("version", format::version);
  file.text("architecture", header.architecture);
  file.text("config", header.config.dump());
  file.text("diffusion", header.diffusion.dump());
  file.text("source", header.source);
  file.group(format::tensors);
}

WeightFileWriter::~WeightFileWriter() = default;

void WeightFileWriter::write(const std::string& key, const Extents& extents, std::span<const float> values,
                             Element stored) {
  const std::string where = state_->path + ": the tensor " + key;
  const bool nameable = !key.empty() && key != "." && key.find('/') == std::string::npos &&
                        key.find('\0') == std::string::npos && key.size() < 1024;
  require(nameable, where, " has a name that HDF5 cannot store");
  require(!state_->keys.contains(key), where, " is written twice");
  require_finite(values, where);
  state_->file.array(std::string(format::tensors) + "/" + key, extents, values, {stored, state_->compression},
                     where);
  state_->keys.insert(key);
}

void WeightFileWriter::commit() {
  state_->file.commit();
  state_.reset();
}

}  // namespace tweedie
