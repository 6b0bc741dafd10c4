// The tensors that a network of a configuration has: what its constructor will ask for, without building it.
#pragma once

#include "layers/kernel_wizard.hpp"
#include "weights/unet_inference.hpp"

namespace tweedie {

/// Names and shapes of all tensors, as `UNet` reads them.
TensorShapes tensors_of(const UNetConfig& config);

/// As `KernelWizard` reads them.
TensorShapes tensors_of(const KernelWizardConfig& config);

}  // namespace tweedie
