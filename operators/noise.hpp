// Noise of a measurement.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"

namespace tweedie {

/// A noise model by name: "gaussian" with standard deviation sigma in units of the [-1, 1] image, or "none".
struct Noise {
  std::string name = "none";
  double sigma = 0;
};

/// Reads {"name": "gaussian", "sigma": 0.05}; "clean" is the DPS repository's name for none.
/// Errors: an unknown name or setting.
Noise parse_noise(const nlohmann::json& json);
nlohmann::json to_json(const Noise& noise);

/// y + noise from the context's stream, on measured entries only (the published code also adds it where
/// pixels are masked, which inflates the misfit).
Tensor add_noise(Context& context, const Noise& noise, Tensor y, ForwardOperator& op);

}  // namespace tweedie
