// Operators by name.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"

namespace tweedie {

/// Arrays an operator may need beside its settings.
struct OperatorData {
  /// Inpainting: (1 or N, 1 or C, H, W), zeros and ones. mri: (1, 1, H, W), or (1, 1, 1, W) for columns,
  /// frequency 0 in the middle; drawn where this is empty or the settings say how.
  Tensor mask;
  /// Blurs: (1, 1, kh, kw), odd sides; motion_blur draws one where this is empty or a seed is stated.
  /// nonlinear_blur: a kernel's code (1, kernel_dim, H/128, W/128), drawn in the same cases.
  Tensor kernel;
  Tensor sensitivity;   ///< mri: (coils, 2, H, W), real and imaginary parts; empty: a single coil
  std::string weights;  ///< nonlinear_blur: path of its network's weight file
};

/// The names `make_operator` knows.
std::vector<std::string> operator_names();

/// An operator from settings such as {"name": "super_resolution", "scale_factor": 4}, the DPS repository's
/// names and keys; {"name": "composed", "operators": [a, b]} is b after a, both with the same data. Errors:
/// unknown name or setting (named), a missing setting or array.
std::unique_ptr<ForwardOperator> make_operator(Context& context, const nlohmann::json& settings,
                                               const OperatorData& data);

}  // namespace tweedie
