// A U-Net from a weight file, checked to be all of it.
#pragma once

#include <memory>
#include <string>

#include "layers/unet.hpp"
#include "weights/unet_config.hpp"
#include "weights/unet_inference.hpp"
#include "weights/weight_file.hpp"

namespace tweedie {

struct LoadedNetwork {
  std::unique_ptr<UNet> unet;
  DiffusionConfig diffusion;
  std::string source;  ///< the checkpoint it was converted from
};

/// Whether programs can use a diffusion: its schedule is built, and what the network predicts is known.
/// Throws `Error` beginning with `where`.
void require_usable(const DiffusionConfig& diffusion, const std::string& where);

/// Whether the tensors are those of the network that a weight file's header describes, no more and no less,
/// and programs can use it. Throws `Error` beginning with `where` that names the first that is missing,
/// surplus or misshapen.
void require_usable(const WeightFileHeader& header, const TensorShapes& tensors, const std::string& where);

/// Errors: not a weight file of a guided-diffusion U-Net; a tensor missing, surplus, misshapen or not finite.
LoadedNetwork load_network(Context& context, const std::string& path);

}  // namespace tweedie
