// Any HDF5 file of arrays and JSON attributes: reference files, measurements.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "weights/tensor_source.hpp"

namespace tweedie {

/// An HDF5 file open for reading. Numbers of every type, and truth values as 0 and 1, are converted to the
/// type asked for. Every failure of the library is an `Error` in one line with its reason.
class ArrayFile {
 public:
  /// Throws `Error` when the file is missing, not HDF5, damaged or locked.
  explicit ArrayFile(const std::string& path);
  ~ArrayFile();
  ArrayFile(ArrayFile&&) noexcept;

  const std::string& path() const;
  /// Whether a dataset of that name ("x", "linear_1000/betas") is there.
  bool has(const std::string& name) const;
  /// Names of the root's groups and datasets, sorted.
  std::vector<std::string> names() const;
  /// These throw `Error` when there is no such dataset, or when it holds no numbers.
  Extents extents(const std::string& name) const;
  /// Throws `Error` for a finite number that is too large for float32.
  std::vector<float> floats(const std::string& name) const;
  std::vector<double> doubles(const std::string& name) const;
  /// Throws `Error` for a number that is not whole.
  std::vector<std::int64_t> integers(const std::string& name) const;
  bool has_attribute(const std::string& name, const std::string& of = "/") const;
  /// An attribute that holds text, of the root or of the object `of`. Throws `Error` when it is missing or
  /// not one text.
  std::string text_attribute(const std::string& name, const std::string& of = "/") const;
  /// The same for one that holds JSON text. Throws `Error` when it is missing or not JSON.
  nlohmann::json json_attribute(const std::string& name, const std::string& of = "/") const;
  /// An attribute that holds numbers, of the root or of the dataset `of`.
  std::vector<double> number_attribute(const std::string& name, const std::string& of = "/") const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tweedie
