#include "operators/noise.hpp"

#include "kernels/elementwise.hpp"
#include "operators/settings.hpp"

namespace tweedie {

Noise parse_noise(const nlohmann::json& json) {
  Settings settings(json, "noise");
  Noise noise;
  noise.name = settings.text("name");
  if (noise.name == "clean") noise.name = "none";
  if (noise.name == "gaussian") {
    noise.sigma = settings.number("sigma");
    require(noise.sigma >= 0, "noise: sigma ", noise.sigma, "; expected 0 or more");
  } else {
    require(noise.name == "none", "noise '", noise.name, "': expected gaussian or none");
  }
  settings.require_all_used();
  return noise;
}

nlohmann::json to_json(const Noise& noise) {
  nlohmann::json json{{"name", noise.name}};
  if (noise.name == "gaussian") json["sigma"] = noise.sigma;
  return json;
}

Tensor add_noise(Context& context, const Noise& noise, Tensor y, ForwardOperator& op) {
  if (noise.name == "none" || noise.sigma == 0) return y;
  const Tensor n = context.normal(y.shape());
  axpby(context.queue, y, 1.f, y, float(noise.sigma), n);
  op.discard_unmeasured(y);
  return y;
}

}  // namespace tweedie
