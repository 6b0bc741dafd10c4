// A zip archive whose entries are .npy files.
#include <algorithm>

#include "kernels/error.hpp"
#include "weights/checkpoints/zip_archive.hpp"
#include "weights/npy_file.hpp"

namespace tweedie {

struct NpzFile::State {
  std::shared_ptr<const ByteSource> source;
  ZipArchive archive;
};

NpzFile::NpzFile(const std::string& path) : NpzFile(open_file(path)) {}

NpzFile::NpzFile(std::shared_ptr<const ByteSource> source) : state_(new State{source, ZipArchive(source)}) {
  constexpr std::string_view ending = ".npy";
  for (const std::string& entry : state_->archive.names())
    if (entry.ends_with(ending)) names_.push_back(entry.substr(0, entry.size() - ending.size()));
  require(!names_.empty(), source->name(), ": a zip archive without a NumPy array (an entry NAME.npy)");
}

NpzFile::~NpzFile() = default;
NpzFile::NpzFile(NpzFile&&) noexcept = default;

bool NpzFile::has(const std::string& name) const {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

NpyArray NpzFile::read(const std::string& name) const {
  std::string all;
  for (const std::string& known : names_) all += (all.empty() ? "" : ", ") + known;
  require(has(name), state_->source->name(), ": there is no array '", name, "', only ", all);
  const std::string entry = name + ".npy";
  return NpyArray::read(*open_bytes(state_->archive.inflated(entry), state_->source->name() + ": " + entry));
}

}  // namespace tweedie
