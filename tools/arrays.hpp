// Arrays of numbers from files that other programs wrote: NumPy, HDF5, TIFF.
#pragma once

#include <string>
#include <vector>

#include "weights/tensor_source.hpp"

namespace tweedie {

/// An array in host memory.
struct Array {
  std::string name;  ///< for messages: the path, and the dataset where there are several
  Extents shape;     ///< outermost axis first
  std::string type;  ///< as it was stored, in NumPy's words ("|u1", "<f4"); "" where the file does not say
  std::vector<float> values;  ///< row-major, as stored: not scaled
};

/// Whether the file begins as one does that `read_array` reads. False when it cannot be read.
bool is_array_file(const std::string& path);

/// Reads an array of real numbers from a .npy, .npz or HDF5 file or a gray or RGB TIFF file (of shape (H, W)
/// or (3, H, W)), recognised by its content. `dataset` names one of several arrays in a .npz or HDF5 file; it
/// may be empty where there is only one, and must be for the others. Numbers of more than 24 bits are rounded
/// to the nearest float. Axes are in NumPy's order, also of what MATLAB wrote (.mat of version 7.3).
/// `notes` says what of a TIFF file is ignored, as `read_image` does. Throws `Error`, beginning with the
/// path: a file that is missing, damaged, of another kind, of complex numbers, or that has no such dataset.
Array read_array(const std::string& path, const std::string& dataset = "",
                 std::vector<std::string>* notes = nullptr);

/// The same of the array with that name in a .npz or HDF5 file that has one; else of the only array.
Array read_array_called(const std::string& path, const std::string& name);

/// Whether the file is a PNG by its content. False when it cannot be read.
bool is_png_file(const std::string& path);
/// The samples of a PNG file as numbers, 0 to 255 or 65535, (H, W) or (3, H, W). Errors and notes as in
/// `read_image`.
Array read_png_array(const std::string& path, std::vector<std::string>* notes = nullptr);

/// Writes a .npy file (float32, C order), whole or not at all. Throws `Error` unless there are as many values
/// as the shape has elements, or when the file cannot be written.
void write_npy(const std::string& path, const Extents& shape, const std::vector<float>& values);

}  // namespace tweedie
