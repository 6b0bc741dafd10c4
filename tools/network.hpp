// A U-Net from a weight file, checked to be all of it.
#pragma once

#include <memory>
#include <string>

#include "layers/unet.hpp"
#include "weights/unet_config.hpp"

namespace tweedie {

struct LoadedNetwork {
  std::unique_ptr<UNet> unet;
  DiffusionConfig diffusion;
  std::string source;  ///< the checkpoint it was converted from
};

/// Errors: not a weight file of a guided-diffusion U-Net; a tensor missing, surplus, misshapen or not finite.
LoadedNetwork load_network(Context& context, const std::string& path);

}  // namespace tweedie
