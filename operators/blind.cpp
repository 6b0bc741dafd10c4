#include "operators/blind.hpp"

#include "operators/turbulence.hpp"

namespace tweedie {

BlindOperator make_blind_operator(Context& context, const std::string& name, Padding padding) {
  if (name == "blind_blur") return {std::make_unique<Convolution>(context, padding), {"image", "kernel"}};
  if (name == "tilt") return {std::make_unique<Warp>(context), {"image", "tilt"}};
  if (name == "turbulence")
    return {std::make_unique<Turbulence>(context, padding), {"image", "kernel", "tilt"}};
  throw Error(message("operator '", name,
                      "' is not one of several unknowns; expected blind_blur, tilt or turbulence"));
}

}  // namespace tweedie
