// The containers that checkpoints come in; `Checkpoint` picks one and checks what they all have in common.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "weights/checkpoints/checkpoint.hpp"
#include "weights/checkpoints/entries.hpp"
#include "weights/checkpoints/pickle.hpp"

namespace tweedie {

/// A block of bytes that tensors view.
struct StorageInfo {
  std::uint64_t bytes = 0;
  int element_size = 0;
};

/// What a container holds, before any tensor is read.
struct Container {
  std::string kind;
  std::vector<CheckpointEntry> entries;
  std::vector<std::string> keys;      ///< of the outermost dict
  std::vector<StorageInfo> storages;  ///< by `TensorEntry::storage`
  std::unique_ptr<StorageReader> reader;
};

/// Whether a file has everything that a container of the kind must have (for zip see zip_archive.hpp): the
/// magic number of torch's legacy files; a length of safetensors' header that the file can hold, followed by
/// its `{`.
bool is_torch_legacy(const ByteSource& source);
bool is_safetensors(const ByteSource& source);

/// Opens one container; each throws `Error` when the file is damaged.
Container open_torch_zip(std::shared_ptr<const ByteSource> source);
Container open_torch_legacy(std::shared_ptr<const ByteSource> source);
Container open_safetensors(std::shared_ptr<const ByteSource> source);

/// Lists every dict of tensors in a pickle (the outermost, and nested up to three levels), its tensors in
/// order, and the storages' descriptions. Adds to the container; throws `Error` when the pickle is no dict.
void add_entries(Container& container, const pickle::Document& document, const std::string& where);

}  // namespace tweedie
