// Checkpoints of other frameworks: PyTorch (zip and legacy container) and safetensors, read without running
// anything in them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weights/checkpoints/byte_source.hpp"
#include "weights/element.hpp"
#include "weights/tensor_source.hpp"

namespace tweedie {

/// One tensor of a checkpoint: a strided view of a storage, which others may view too.
struct TensorEntry {
  std::string name;
  Element element = Element::other;
  std::string stored_type;  ///< the checkpoint's own word for the type, for messages
  Extents extents;
  std::vector<std::int64_t> strides;  ///< in elements, never negative; row-major contiguous in most files
  std::int64_t offset = 0;            ///< of the first element, in elements from the start of the storage
  std::size_t storage = 0;            ///< index of the storage in its container
  bool negated = false;               ///< the storage holds the values' negatives
  bool described = true;  ///< false: of a kind that is not read; only name and stored_type are known
};

/// Reads pieces of a checkpoint's storages; one implementation per container.
class StorageReader {
 public:
  virtual ~StorageReader() = default;
  /// Fills `out` with the little-endian bytes of a storage from byte `offset` on.
  virtual void read(std::span<std::byte> out, std::size_t storage, std::uint64_t offset) = 0;
};

/// A checkpoint's tensors in their order in the file, described but not yet read.
class Checkpoint {
 public:
  /// Recognises the container by all that it must have, reads its index and chooses the network's tensors
  /// (`choose_tensors` in entries.hpp; `entry` is the name wanted, or ""); every size is held against the
  /// file's. Throws `Error` in one line when it is damaged, of another kind, or asks for code to be run.
  explicit Checkpoint(std::shared_ptr<const ByteSource> source, const std::string& entry = "");
  ~Checkpoint();
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;

  const std::vector<TensorEntry>& tensors() const { return tensors_; }

  /// "PyTorch zip", "PyTorch legacy" or "safetensors".
  const std::string& container() const { return container_; }

  /// What was left out or chosen while reading, one line each, for the user.
  const std::vector<std::string>& notices() const { return notices_; }

  /// The values of one tensor, row-major, as float32; throws `Error` naming it when its type is not a
  /// floating-point one or the file is damaged. Memory: the values and the bytes they span, no more.
  std::vector<float> read(const TensorEntry& tensor) const;

 private:
  std::shared_ptr<const ByteSource> source_;
  std::string container_;
  std::vector<TensorEntry> tensors_;
  std::vector<std::string> notices_;
  std::unique_ptr<StorageReader> storages_;
};

}  // namespace tweedie
