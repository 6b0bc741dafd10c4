// What the reader and the writer of weight files share.
#pragma once

#include "weights/element.hpp"
#include "weights/hdf5_handle.hpp"

namespace tweedie::weight_file_format {

inline constexpr const char* name = "tweedie-weights";
inline constexpr int version = 1;
inline constexpr const char* tensors = "tensors";
inline constexpr const char* dtype = "dtype";
inline constexpr const char* bfloat16 = "bfloat16";

/// The HDF5 type of IEEE binary16, little-endian (as h5py writes numpy's float16).
inline Hdf5Handle half_type() {
  Hdf5Handle type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose, "HDF5 cannot make a type");
  const bool made =
      H5Tset_fields(type, 15, 10, 5, 0, 10) >= 0 && H5Tset_size(type, 2) >= 0 && H5Tset_ebias(type, 15) >= 0;
  require(made, "HDF5 cannot make a float16 type");
  return type;
}

/// The HDF5 type that an element is stored as: f32, f16, or 16 bits for bf16.
inline Hdf5Handle stored_type(Element element) {
  switch (element) {
    case Element::f32:
      return {H5Tcopy(H5T_IEEE_F32LE), H5Tclose, "HDF5 cannot make a type"};
    case Element::f16:
      return half_type();
    case Element::bf16:
      return {H5Tcopy(H5T_STD_U16LE), H5Tclose, "HDF5 cannot make a type"};
    default:
      break;
  }
  throw Error("weights are stored as f32, f16 or bf16");
}

}  // namespace tweedie::weight_file_format
