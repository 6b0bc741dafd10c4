// Operators of several unknowns by their names in task files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "operators/continuation.hpp"

namespace tweedie {

struct BlindOperator {
  std::unique_ptr<ForwardOperator> op;
  std::vector<std::string>
      unknowns;  ///< "image", "kernel", "tilt": as many as the operator has, in its order
};

/// blind_blur (`Convolution`), tilt (`Warp`) or turbulence (`Turbulence`). The rule for edges is the blur's.
/// Errors: another name (the known ones are listed).
BlindOperator make_blind_operator(Context& context, const std::string& name, Padding padding = Padding::zero);

}  // namespace tweedie
