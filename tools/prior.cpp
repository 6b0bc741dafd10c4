#include "tools/prior.hpp"

namespace tweedie {

Schedule Prior::schedule(int steps) const {
  const DiffusionConfig diffusion = network ? network->diffusion : DiffusionConfig{};
  const std::string respacing = steps == 0 || steps == diffusion.steps ? "" : std::to_string(steps);
  return make_schedule(diffusion.noise_schedule, diffusion.steps, respacing);
}

Prior load_prior(Context& context, const std::string& weights) {
  Prior prior;
  if (weights.empty()) {
    prior.spectrum = std::make_unique<SpectrumPrior>(context);
    prior.description = "spectrum prior (analytic: Gaussian with the power spectrum of photographs)";
  } else {
    prior.network.emplace(load_network(context, weights));
    prior.description = message("U-Net of ", prior.network->unet->parameters(), " parameters from ", weights);
  }
  return prior;
}

}  // namespace tweedie
