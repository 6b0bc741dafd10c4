// The containers that checkpoints come in; `Checkpoint` picks one and checks what they all have in common.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "weights/checkpoints/checkpoint.hpp"
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
  std::vector<TensorEntry> tensors;
  std::vector<StorageInfo> storages;  ///< by `TensorEntry::storage`
  std::vector<std::string> notices;
  std::unique_ptr<StorageReader> reader;
};

/// Opens one container; each throws `Error` when the file is damaged.
Container open_torch_zip(std::shared_ptr<const ByteSource> source);
Container open_torch_legacy(std::shared_ptr<const ByteSource> source);
Container open_safetensors(std::shared_ptr<const ByteSource> source);

/// Finds the state dict in a pickle (bare, or nested one level) and lists its tensors, in order, and the
/// storages' descriptions. Adds to the container; throws `Error` when there is no state dict.
void add_state_dict(Container& container, const pickle::Document& document, const std::string& where);

}  // namespace tweedie
