// Task files: the YAML of the DPS repository, so that its users' files work as they are.
#pragma once

#include "tools/network.hpp"
#include "tools/restore/options.hpp"

namespace tweedie {

/// Sets what a task_config says: conditioning (method, params.scale), measurement (operator, mask_opt,
/// noise). `data` is accepted and not used: the image comes with --input. Errors: an unknown or unsupported
/// setting, named.
void apply_task_file(Options& options, const std::string& path);

/// Sets what a diffusion_config says: sampler, timestep_respacing, model_var_type, clip_denoised. What
/// belongs to the prior (steps, noise_schedule, rescale_timesteps) must be the prior's: see
/// `check_diffusion_file`. Errors: an unknown or unsupported setting, named.
void apply_diffusion_file(Options& options, const std::string& path);

/// Compares a diffusion_config with what the prior was trained for. Errors: they differ.
void check_diffusion_file(const std::string& path, const DiffusionConfig& trained);

/// Compares a model_config with the network's configuration. Errors: a stated setting differs.
void check_model_file(const std::string& path, const LoadedNetwork& network, const std::string& weights);

}  // namespace tweedie
