// Task files: the YAML of the DPS repository, so that its users' files work as they are.
#pragma once

#include "tools/network.hpp"
#include "tools/restore/options.hpp"

namespace tweedie {

/// What a task_config says: conditioning (method, params.scale), measurement (operator, mask_opt, noise); of
/// a blind problem, in the BlindDPS repository's words, also kernel, kernel_size and intensity beside them.
/// `data` is accepted and not used: the image comes with --input.
struct TaskFile {
  Asked asked;
  std::optional<std::string> method;
  std::optional<double> zeta;
  std::map<std::string, double> scales;   ///< of a blind problem's unknowns, by name; the image's is "image"
  std::optional<std::string> scale_rule;  ///< of a blind problem
  std::optional<Noise> noise;
  std::vector<std::string> notes;  ///< what of the file is not used
};
/// Errors: an unknown or unsupported setting, named; a key without a value.
TaskFile read_task_file(const std::string& path);
/// States the step sizes of a blind problem's file: one number is the paper's constant for all. The published
/// code does not look at it (`compat`).
void take_scales(Settings& settings, const TaskFile& file, bool compat);

/// What a diffusion_config says of sampling. What belongs to the prior (steps, noise_schedule,
/// rescale_timesteps) must be the prior's: see `check_diffusion_file`.
struct DiffusionFile {
  std::optional<std::string> sampler;
  std::string respacing;
  std::optional<std::string> variance;  ///< model_var_type
  bool clip = true;
};
/// Errors: an unknown or unsupported setting, named.
DiffusionFile read_diffusion_file(const std::string& path);

/// Compares a diffusion_config with what the prior was trained for. Errors: they differ.
void check_diffusion_file(const std::string& path, const DiffusionConfig& trained);

/// Compares a model_config with the network's configuration. Errors: a stated setting differs.
void check_model_file(const std::string& path, const LoadedNetwork& network, const std::string& weights);

}  // namespace tweedie
