#include "tools/network.hpp"

#include "engine/schedule.hpp"
#include "layers/network_tensors.hpp"

namespace tweedie {

void require_usable(const DiffusionConfig& diffusion, const std::string& where) {
  require(diffusion.model_mean_type == "epsilon", where, ": the network predicts ", diffusion.model_mean_type,
          ", expected epsilon (the noise)");
  const Schedule schedule = make_schedule(diffusion.noise_schedule, diffusion.steps);
  for (std::size_t i = 0; i < schedule.betas.size(); ++i)
    require(schedule.betas[i] > 0 && schedule.betas[i] < 1, where, ": steps ", diffusion.steps,
            " of noise_schedule ", diffusion.noise_schedule, ": step ", i, " adds noise of variance ",
            schedule.betas[i], ", expected less than 1: too few steps for this schedule");
}

void require_usable(const WeightFileHeader& header, const TensorShapes& tensors, const std::string& where) {
  TensorShapes needed;
  if (header.architecture == "kernel_wizard") {
    needed = tensors_of(parse_kernel_wizard_config(header.config, where));
  } else if (header.architecture == "guided_diffusion_unet") {
    require_usable(parse_diffusion_config(header.diffusion, where), where);
    needed = tensors_of(parse_unet_config(header.config, where));
  } else {
    return;  // of another kind, whose program checks it
  }
  for (const auto& [name, extents] : needed) {
    const auto found = tensors.find(name);
    require(found != tensors.end(), where, ": there is no tensor ", name, ", expected one of shape ",
            to_string(extents));
    require(found->second == extents, where, ": the tensor ", name, " has shape ", to_string(found->second),
            ", expected ", to_string(extents));
  }
  for (const auto& [name, extents] : tensors)
    require(needed.contains(name), where, ": the tensor ", name, " of shape ", to_string(extents),
            " has no place in this network");
}

LoadedNetwork load_network(Context& context, const std::string& path) {
  WeightFile file(path);
  const WeightFileHeader& header = file.header();
  require(header.architecture == "guided_diffusion_unet", path, ": holds a ", header.architecture,
          ", expected a guided_diffusion_unet");
  const UNetConfig config = parse_unet_config(header.config, path + ": config");
  const DiffusionConfig diffusion = parse_diffusion_config(header.diffusion, path + ": diffusion");
  require_usable(diffusion, path);
  const double time_scale = diffusion.rescale_timesteps ? 1000.0 / diffusion.steps : 1.0;
  LoadedNetwork network{std::make_unique<UNet>(context, WeightScope(file), config, time_scale), diffusion,
                        header.source};
  file.require_all_used();
  return network;
}

}  // namespace tweedie
