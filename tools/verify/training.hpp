// What the checks of training share: a network with its arenas, and gradients compared with recorded ones.
#pragma once

#include <memory>

#include "engine/training/objective.hpp"
#include "tools/verify/checks.hpp"

namespace tweedie::verify {

/// A network whose parameters are gathered, with room for their gradients.
struct Trained {
  UNet& unet;
  Parameters parameters;
  Gradients gradients;
  std::unique_ptr<Saved> saved;
  Trained(Context& context, UNet& network)
      : unet(network),
        parameters(context, network.list_parameters()),
        gradients(parameters),
        saved(network.make_training_saved()) {}
};

/// Recorded gradients of all parameters: whole under `name`, every stride-th element under `name`_samples,
/// norms and random projections under `name`_summary; what is there is compared. `tolerances`: of all
/// together, and of each tensor but those whose gradient is rounding alone (below 1e-6 of all).
std::vector<Check> check_gradients(const Trained& trained, const ArrayFile& file, const std::string& name,
                                   double together, double each);

/// x = v / 127.5 - 1 in float32.
std::vector<float> images_of_bytes(const std::vector<float>& bytes);

}  // namespace tweedie::verify
