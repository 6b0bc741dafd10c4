// The topology of guided-diffusion's UNetModel, written once.
#pragma once

#include <string>
#include <vector>

#include "layers/basic.hpp"
#include "weights/unet_config.hpp"

namespace tweedie {

/// One module: what it is, the checkpoint prefix of its weights, its channels.
struct ModulePlan {
  enum class Kind { convolution, residual, attention, downsample, upsample } kind;
  std::string name;
  int in, out;
  Resample how = Resample::none;
  int heads = 0;
};

/// A run of modules between two connections.
struct StagePlan {
  std::vector<ModulePlan> modules;
  bool pushes_skip = false;  ///< its output is kept for the way up
  int skip_channels = 0;     ///< > 0: a kept output of so many channels is concatenated to its input first
  /// Its first norm can add, on the way back, the gradient of a connection that branches off before it.
  bool adds_branch = false;
};

/// Input blocks, middle block and output blocks in order of execution. The output head (norm, SiLU,
/// convolution) follows the last.
std::vector<StagePlan> plan_blocks(const UNetConfig& config);

}  // namespace tweedie
