#include "tools/network.hpp"

#include "weights/weight_file.hpp"

namespace tweedie {

LoadedNetwork load_network(Context& context, const std::string& path) {
  WeightFile file(path);
  const WeightFileHeader& header = file.header();
  require(header.architecture == "guided_diffusion_unet", path, ": holds a ", header.architecture,
          ", expected a guided_diffusion_unet");
  const UNetConfig config = parse_unet_config(header.config, path + ": config");
  const DiffusionConfig diffusion = parse_diffusion_config(header.diffusion, path + ": diffusion");
  require(diffusion.model_mean_type == "epsilon", path, ": the network predicts ", diffusion.model_mean_type,
          ", expected epsilon");
  const double time_scale = diffusion.rescale_timesteps ? 1000.0 / diffusion.steps : 1.0;
  LoadedNetwork network{std::make_unique<UNet>(context, WeightScope(file), config, time_scale), diffusion,
                        header.source};
  file.require_all_used();
  return network;
}

}  // namespace tweedie
