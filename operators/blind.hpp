// Operators of several unknowns by their names in task files, and blind problems as rows of operators.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "operators/continuation.hpp"
#include "operators/kinds.hpp"

namespace tweedie {

struct BlindOperator {
  std::unique_ptr<ForwardOperator> op;
  std::vector<std::string>
      unknowns;  ///< "image", "kernel", "tilt": as many as the operator has, in its order
};

/// blind_blur (`Convolution`), tilt (`Warp`) or turbulence (`Turbulence`). The rule for edges is the blur's.
/// Errors: another name (the known ones are listed).
BlindOperator make_blind_operator(Context& context, const std::string& name, Padding padding = Padding::zero);

/// A Gaussian kernel (1, 1, size, size) of sum 1 and this standard deviation in pixels about pixel size / 2,
/// the later middle of an even size; 0 beyond 4 standard deviations. Errors: a size below 1; a sigma that is
/// not positive.
std::vector<float> gaussian_kernel(int size, double sigma);

/// `op` whose unknown k is the top left part of what it is given, of `sides[k]`'s height and width: for
/// priors whose pictures have sides that the problem's have not. Shapes of sides: N and C are not looked at.
/// Errors: another number of sides than the operator has unknowns; a side that is larger than what is given.
/// `op` outlives what is returned.
std::unique_ptr<ForwardOperator> on_crops(Context& context, ForwardOperator& op, std::vector<Shape> sides);

// Their rows make the operator for images whose kernel and tilt are the given arrays; a kernel that is not
// given is a point, a tilt is 0. Settings: `kernel` (motion, gaussian), `kernel_size`, `intensity` (of a
// motion kernel's path; the standard deviation of a Gaussian kernel), `padding`, `seed`.
extern const OperatorKind blind_blur_kind;
extern const OperatorKind turbulence_kind;

}  // namespace tweedie
