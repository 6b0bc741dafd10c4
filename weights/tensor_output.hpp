// Where a network's tensors are written, whatever the file's format.
#pragma once

#include <span>
#include <string>

#include "weights/element.hpp"
#include "weights/tensor_source.hpp"

namespace tweedie {

/// A file of named tensors in the making. It appears under its name, complete, in `commit()`.
class TensorOutput {
 public:
  virtual ~TensorOutput() = default;
  /// Adds one tensor, stored as f32, f16 or bf16. Throws `Error` naming the key when it is there already, or
  /// when a value is not finite or does not fit the type.
  virtual void write(const std::string& key, const Extents& extents, std::span<const float> values,
                     Element stored) = 0;
  /// Makes the file appear. No call may follow.
  virtual void commit() = 0;
};

}  // namespace tweedie
