// The header of a .npy file: a Python dictionary as text, read without an interpreter.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "weights/tensor_source.hpp"

namespace tweedie {

/// What the header says of the array.
struct NpyHeader {
  Extents shape;
  std::string type;  ///< "<f4"; always one that is read
  bool fortran_order = false;
  std::uint64_t element_size = 0;  ///< in bytes
};

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }` with its keys in any order. Throws
/// `Error`, beginning with `name`, for any other text, a key that is missing or there twice, more than 64
/// axes, and a type that is not read (it says which).
NpyHeader parse_npy_header(std::string_view text, const std::string& name);

}  // namespace tweedie
