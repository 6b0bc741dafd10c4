// The arrays of an operator: read from the user's files, or drawn.
#pragma once

#include "tools/restore/asked.hpp"

namespace tweedie {

/// All arrays for images of this shape, but those that the operator draws by itself. Masks have the size of
/// what the operator that masks sees. Errors: a file that is not given, or does not fit; a mask or a draw
/// that observes nothing; a mask file that observes everything.
OperatorData make_arrays(Context& context, const Asked& asked, const Shape& image, std::uint64_t seed,
                         std::vector<std::string>& notes);

/// Of a blind problem the values of its unknowns that a measurement is simulated with: from the user's file,
/// or drawn as the operator's settings say, in which every seed is stated. Errors: settings that do not fit.
void draw_unknowns(Context& context, const Asked& asked, const OperatorDescription& op, const Shape& image,
                   OperatorData& data, std::vector<std::string>& notes);

/// A gray picture, black where the kernel is 0, or an array of numbers (.npy, .npz, HDF5), (height, width) or
/// (1, 1, height, width), told apart by content; of several arrays in an HDF5 file, `kernel`. (1, 1, H, W),
/// of sum 1. `turned`: by half a turn, which makes a point spread function, with which an image is convolved,
/// the kernel with which it is correlated. Errors: no such file; even sides; a sum that is not positive.
Tensor read_kernel(Context& context, const std::string& path, bool turned, std::vector<std::string>& notes);

}  // namespace tweedie
