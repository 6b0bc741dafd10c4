// The one writer of HDF5 files: weights, measurements, whatever else a program keeps.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "weights/element.hpp"
#include "weights/staged_file.hpp"
#include "weights/tensor_source.hpp"

namespace tweedie {

/// How an array is stored.
struct ArrayStorage {
  Element element = Element::f32;  ///< f32, f16 or bf16; values are rounded to nearest, ties to even
  int compression = 0;             ///< deflate level, 0 (off) to 9; byte-shuffled when on
};

/// An HDF5 file that appears under its name in `commit()`, complete and flushed to disk. Without a commit
/// nothing is left behind, and an existing file stays as it was. The same calls write the same bytes,
/// whenever they are made. Every failure is an `Error` in one line with the system's or the library's reason.
class Hdf5Writer {
 public:
  /// Throws `Error` when the folder cannot be written, or when the file exists and may not be replaced.
  explicit Hdf5Writer(const std::string& path, Existing existing = Existing::replace);
  ~Hdf5Writer();
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;

  /// Makes a group. Names are paths: "tensors", then "tensors/out.0.bias" in it.
  void group(const std::string& name);

  /// Adds a dataset of values in row-major order; bf16 is stored as uint16 with the attribute `dtype` =
  /// "bfloat16". Throws `Error` beginning with `what` (default: the path and the name) when the count does
  /// not fit the extents, when a value overflows the stored type, or when values so small that it cannot tell
  /// them from 0 are a hundredth of the whole (in the Euclidean norm).
  void array(const std::string& name, const Extents& extents, std::span<const float> values,
             const ArrayStorage& storage = {}, const std::string& what = "");

  /// Adds a text attribute (UTF-8, of variable length) or a whole number to the object `of`.
  void text(const std::string& name, const std::string& value, const std::string& of = "/");
  void integer(const std::string& name, int value, const std::string& of = "/");

  /// Makes the file appear under its name. No call may follow.
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tweedie
