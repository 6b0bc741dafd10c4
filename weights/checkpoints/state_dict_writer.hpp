// Files that other frameworks read: a network's state dict as PyTorch or as safetensors store it.
#pragma once

#include <memory>

#include "weights/staged_file.hpp"
#include "weights/tensor_output.hpp"

namespace tweedie {

/// A state dict as torch.save writes it (zip container, protocol 2): a dict from names to contiguous tensors,
/// which `torch.load(path, weights_only=True)` reads. Equal tensors make equal bytes. While it is made its
/// tensors wait in a file beside it. Errors: as `StagedFile`.
std::unique_ptr<TensorOutput> write_torch(const std::string& path, Existing existing = Existing::refuse);

/// The same as safetensors (https://github.com/huggingface/safetensors), marked as PyTorch's.
std::unique_ptr<TensorOutput> write_safetensors(const std::string& path,
                                                Existing existing = Existing::refuse);

}  // namespace tweedie
