// The prior a program works with: a trained network from a weight file, or the analytic one.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/solvers/solver.hpp"
#include "engine/spectrum_prior.hpp"
#include "layers/class_guidance.hpp"
#include "tools/network.hpp"

namespace tweedie {

/// A denoiser with what goes with it.
struct Prior {
  std::optional<LoadedNetwork> network;
  std::unique_ptr<SpectrumPrior> spectrum;
  std::unique_ptr<ClassGuidance> guided;  ///< the network, where it is guided to its classes
  std::string description;

  Denoiser& denoiser() const {
    if (guided) return *guided;
    return network ? static_cast<Denoiser&>(*network->unet) : *spectrum;
  }
  /// Channels of its images: fixed for a network, 1 or 3 otherwise (0: either).
  int channels() const { return network ? network->unet->config().in_channels : 0; }
  /// What the sides of its images must be multiples of.
  int stride() const { return network ? network->unet->stride() : 1; }
  int trained_steps() const { return network ? network->diffusion.steps : DiffusionConfig{}.steps; }
  /// The schedule it was trained with (linear, 1000 steps for the analytic one), respaced to `steps` (0:
  /// all), or as `make_schedule` takes it.
  Schedule schedule(int steps) const;
  Schedule schedule(const std::string& respacing) const;
  /// The steps that a solver takes of it by itself; `steps` 0: as many as its row says.
  Schedule schedule(const SolverKind& kind, int steps) const;
  /// The classes a class-conditional network is to sample, one a sample or one for all. Errors: classes for
  /// any other prior; none for such a network; unknown ones.
  void set_labels(const std::vector<int>& labels) const;
  /// Guides a class-conditional network to its classes, `scale` times as far as it goes (1: not guided).
  /// Errors: any other prior; a network that never saw a sample without its class.
  void guide_to_classes(Context& context, double scale);
  /// The variance of its sampling steps: what its weight file says; for one that does not say, and for the
  /// analytic prior, learned_range where it can be, else fixed_small.
  Variance variance() const;
};

/// The priors that ship: "spectrum", and the trained networks in weights/pretrained, by their files' names.
std::vector<std::string> shipped_priors();
/// The weight file of one that ships, be it there or not; "" of "spectrum", which has none.
std::string shipped_file(const std::string& name);

/// Which prior the user wants: a weight file, or one that ships by its name; or neither.
struct PriorChoice {
  std::string weights, name;
  bool stated() const { return !weights.empty() || !name.empty(); }
};
/// Adds --weights and --prior, of which one may be given; `otherwise`: what is taken where none is.
void add_prior_options(CLI::App& app, PriorChoice& choice,
                       const std::string& otherwise = "the analytic spectrum prior");

/// Adds --class-guidance.
void add_class_guidance_option(CLI::App& app, double& scale);

/// The prior of that choice; the spectrum prior where nothing is stated. Errors: an unknown name (the known
/// ones are listed); see `load_network`.
Prior load_prior(Context& context, const PriorChoice& choice);

}  // namespace tweedie
