// What every reader of HDF5 files does: open by content, name shapes, name filters that are missing.
#pragma once

#include <string>

#include "weights/hdf5_handle.hpp"
#include "weights/tensor_source.hpp"

namespace tweedie {

/// Whether the path leads to a regular file that is HDF5 by its content, whatever its name. Never throws for
/// a path that leads to no file.
bool holds_hdf5(const std::string& path);

/// Opens a file for reading. Throws `Error` beginning with the path: there is no such file, it is not HDF5,
/// or the library's reason (damaged, locked by another program, ...).
Hdf5Handle open_hdf5(const std::string& path);

/// Extents of a dataset; `what` begins the messages ("file.h5: mask"). Throws `Error` when it is no simple
/// array.
Extents hdf5_extents(hid_t dataset, const std::string& what);

/// Reads a dataset, or the selection `from` of it, into `out`, which has the memory type and space given.
/// Throws `Error` naming the filter when the dataset is compressed with one that this library lacks, else the
/// library's reason.
void read_hdf5(void* out, hid_t dataset, hid_t memory_type, const std::string& what,
               hid_t memory_space = H5S_ALL, hid_t from = H5S_ALL);

/// A text attribute of fixed or variable length, up to its first NUL. Throws `Error` when it is missing or
/// not one text.
std::string hdf5_text(hid_t object, const std::string& name, const std::string& where);

}  // namespace tweedie
