#include "tools/prior.hpp"

namespace tweedie {

Schedule Prior::schedule(int steps) const {
  const int trained = network ? network->diffusion.steps : DiffusionConfig{}.steps;
  return schedule(steps == 0 || steps == trained ? std::string() : std::to_string(steps));
}

Schedule Prior::schedule(const std::string& respacing) const {
  const DiffusionConfig diffusion = network ? network->diffusion : DiffusionConfig{};
  return make_schedule(diffusion.noise_schedule, diffusion.steps, respacing);
}

Schedule Prior::schedule(const SolverKind& kind, int steps) const {
  const DiffusionConfig diffusion = network ? network->diffusion : DiffusionConfig{};
  return schedule_of(kind, diffusion.noise_schedule, diffusion.steps, steps);
}

Variance Prior::variance() const {
  const std::string stated = network ? network->diffusion.model_var_type : "";
  if (stated == "fixed_large") return Variance::fixed_large;
  if (stated == "fixed_small") return Variance::fixed_small;
  return denoiser().learns_variance() ? Variance::learned_range : Variance::fixed_small;
}

void Prior::set_labels(const std::vector<int>& labels) const {
  const bool conditional = network && network->unet->config().num_classes;
  require(conditional || labels.empty(), "--label: this prior is not class-conditional");
  require(!conditional || !labels.empty(),
          "this network is class-conditional: give the classes with --label");
  if (conditional) network->unet->set_labels(labels);
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
