#include "tools/prior.hpp"

#include <algorithm>
#include <filesystem>

#include "tools/numbers.hpp"

namespace tweedie {

Schedule Prior::schedule(int steps) const {
  return schedule(steps == 0 || steps == trained_steps() ? std::string() : std::to_string(steps));
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
  require(conditional || labels.empty(), "--label: the ", description,
          " has no classes; give --weights, or --prior, of one that has");
  require(!conditional || !labels.empty(),
          "this network is class-conditional: give the classes with --label");
  // "Of any class" is for guidance alone to say.
  for (const int label : labels) require(label >= 0, "--label ", label, ": expected a class from 0 on");
  if (conditional) network->unet->set_labels(labels);
}

void Prior::guide_to_classes(Context& context, double scale) {
  if (scale == 1) return;
  require(network && network->unet->config().num_classes, "--class-guidance: the ", description,
          " has no classes");
  require(network->diffusion.label_dropout > 0, "--class-guidance: the ", description,
          " never saw a sample without its class (tweedie-train --label-dropout)");
  guided = std::make_unique<ClassGuidance>(context, *network->unet, scale);
}

namespace fs = std::filesystem;

std::string shipped_file(const std::string& name) {
  return name == "spectrum" ? "" : (fs::path(TWEEDIE_PRETRAINED) / (name + ".h5")).string();
}

std::vector<std::string> shipped_priors() {
  std::vector<std::string> names{"spectrum"};
  std::error_code none;  // then none ship
  for (const auto& entry : fs::directory_iterator(TWEEDIE_PRETRAINED, none))
    if (entry.path().extension() == ".h5") names.push_back(entry.path().stem().string());
  std::sort(names.begin() + 1, names.end());
  return names;
}

void add_prior_options(CLI::App& app, PriorChoice& choice, const std::string& otherwise) {
  std::string names;
  for (const std::string& name : shipped_priors()) names += (names.empty() ? "" : ", ") + name;
  CLI::Option* weights = app.add_option("--weights", choice.weights, "Weight file of a trained prior");
  app.add_option("--prior", choice.name, "A prior that ships: " + names + " (default: " + otherwise + ")")
      ->excludes(weights);
}

void add_class_guidance_option(CLI::App& app, double& scale) {
  app.add_option("--class-guidance", scale,
                 "How far towards its class an image is led, by two evaluations of the network a step (1: as "
                 "the network has it, by one)")
      ->capture_default_str()
      ->check(number(0, 1000));
}

Prior load_prior(Context& context, const PriorChoice& choice) {
  Prior prior;
  std::string file = choice.weights;
  if (!choice.name.empty()) {
    std::string known;
    for (const std::string& name : shipped_priors()) known += (known.empty() ? "" : ", ") + name;
    require((", " + known + ",").find(", " + choice.name + ",") != std::string::npos, "--prior ", choice.name,
            ": no such prior ships; expected one of ", known);
    file = shipped_file(choice.name);
  }
  if (file.empty()) {
    prior.spectrum = std::make_unique<SpectrumPrior>(context);
    prior.description = "spectrum prior (analytic: Gaussian with the power spectrum of photographs)";
  } else {
    prior.network.emplace(load_network(context, file));
    prior.description = message("U-Net of ", prior.network->unet->parameters(), " parameters from ", file);
  }
  return prior;
}

}  // namespace tweedie
