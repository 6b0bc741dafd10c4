// NumPy's files: one array (.npy) or a zip archive of several (.npz).
// The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weights/checkpoints/byte_source.hpp"
#include "weights/tensor_source.hpp"

namespace tweedie {

/// An array that NumPy stored. Its elements keep their stored type until they are asked for.
class NpyArray {
 public:
  /// Extents, outermost axis first; empty for a single number.
  const Extents& shape() const { return shape_; }
  /// The stored type as NumPy writes it: "<f4", "|u1", "<c16".
  const std::string& type() const { return type_; }
  bool is_complex() const;
  /// Whether the stored numbers are whole (boolean, signed or unsigned), and not fractions.
  bool is_integer() const;

  /// All elements, row-major whatever their order in the file. Each is rounded to the nearest number of the
  /// type asked for; a boolean is 0 or 1. `floats` and `doubles` throw `Error` for a complex array.
  std::vector<float> floats() const;
  std::vector<double> doubles() const;
  /// As above; the imaginary part of a real number is 0.
  std::vector<std::complex<float>> complexes() const;

  /// Reads the only array of a .npy file of version 1, 2 or 3: little-endian b1, i1 to i8, u1 to u8, f2 to
  /// f8, c8 or c16, in C or Fortran order. Throws `Error`, beginning with the source's name, for any other
  /// type (big-endian numbers, objects, text and structures by name), for a damaged header, and for a file
  /// that holds less or more than the header says.
  static NpyArray read(const ByteSource& source);

 private:
  NpyArray() = default;

  std::string name_;
  Extents shape_;
  std::string type_;
  bool fortran_order_ = false;
  std::vector<std::byte> bytes_;
};

/// Whether the source has all that a .npy file must have: the signature, a known version, and a header whose
/// length fits in the file and that begins with a brace.
bool is_npy(const ByteSource& source);

/// Reads a .npy file; errors as `NpyArray::read`, and when the file cannot be opened.
NpyArray read_npy(const std::string& path);

/// The bytes of a .npy file (version 1, C order, little-endian float32) of that shape. Throws `Error` unless
/// there are as many values as the shape has elements.
std::string npy_bytes(const Extents& shape, std::span<const float> values);

/// A .npz file open for reading: stored by `numpy.savez` or `numpy.savez_compressed`.
class NpzFile {
 public:
  /// Throws `Error` when the file cannot be opened, is no zip archive or holds no array.
  explicit NpzFile(const std::string& path);
  explicit NpzFile(std::shared_ptr<const ByteSource> source);
  ~NpzFile();
  NpzFile(NpzFile&&) noexcept;

  /// Names of the arrays ("x" for the entry "x.npy"), in the order of the archive.
  const std::vector<std::string>& names() const { return names_; }
  bool has(const std::string& name) const;
  /// Throws `Error` when there is no array of that name; otherwise as `NpyArray::read`.
  NpyArray read(const std::string& name) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::vector<std::string> names_;
};

}  // namespace tweedie
