// What the names and shapes of a checkpoint's tensors say about the network they belong to.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "weights/tensor_source.hpp"
#include "weights/unet_config.hpp"

namespace tweedie {

/// Shapes of a checkpoint's tensors by name.
using TensorShapes = std::map<std::string, Extents>;

/// Whether the tensors are those of a guided-diffusion U-Net, or of bkse's KernelWizard.
bool looks_like_unet(const TensorShapes& shapes);
bool looks_like_kernel_wizard(const TensorShapes& shapes);

/// The configuration of the U-Net the tensors belong to: what they determine is taken from them and held
/// against the settings; image size, number of heads and attention order, which leave no trace in them, are
/// taken from the settings. Throws `Error` when a setting contradicts a tensor (both are named), when the
/// tensors are no U-Net's, or when something is left undetermined (all of it is listed).
UNetConfig resolve_unet_config(const TensorShapes& shapes, const std::optional<ModelSettings>& settings,
                               const std::string& where);

/// The diffusion to record beside such a network: the settings', with learn_sigma from the channels and
/// model_var_type as stated, else learned_range or guided-diffusion's default, fixed_large. Throws `Error`
/// when a learned variance is stated that the network does not have.
DiffusionConfig resolve_diffusion_config(const UNetConfig& unet,
                                         const std::optional<ModelSettings>& settings);

/// Configuration of a KernelWizard: input_nc, nf, front_RBs, back_RBs, kernel_dim, all determined by the
/// tensors. Settings (a JSON object, or null) are held against them; throws `Error` as above.
nlohmann::json resolve_kernel_wizard_config(const TensorShapes& shapes, const nlohmann::json& settings,
                                            const std::string& where);

}  // namespace tweedie
