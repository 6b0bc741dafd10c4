// One DPS step of a whole network, against the sum of its convolutions.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/context.hpp"
#include "layers/unet.hpp"
#include "tools/report.hpp"

namespace tweedie::bench {

struct ModelOptions {
  std::string preset, config, weights;  ///< one of them: a preset's name, a configuration file, a weight file
  int batch = 1, repeats = 3;
  int height = 0, width = 0;  ///< 0: the preset's image size
};

/// The network that the options name by preset or configuration, and a batch of its images.
UNetConfig model_config(const ModelOptions& options);
Shape model_image(const ModelOptions& options, const UNetConfig& config);
/// Runs up to `steps` DPS steps of random images (a mask's measurement), and calls `seen` after each with its
/// work done, until that returns false.
void run_dps_steps(Context& context, Denoiser& denoiser, Shape image, int steps,
                   const std::function<bool()>& seen);
/// Seconds of DPS steps, sorted, by the device's clock on CUDA; one uncounted first.
std::vector<double> time_dps_steps(Context& context, UNet& unet, Shape image, int repeats);

/// Builds the U-Net with random weights, or reads a weight file, and times DPS steps (one uncounted first).
/// Reports
///   step_seconds              median of the counted steps
///   batch_over_single         of batches of several: that, over the same of one image in this process
///   convolution_seconds       sum over all convolutions of the step, forward and backward, of the
///                             fastest way the library has for each alone, measured in this process
///   peak_bytes_above_weights  most memory held at once (maps, tape, workspaces, all copies of weights in
///                             other orders; not to try cuDNN's engines) less one float per parameter
///   load_over_weights         of a weight file: by how much reading it raised the most that this process
///                             ever held of the machine's memory, over one float per parameter
Json bench_model(Context& context, const ModelOptions& options);

/// The same for people.
std::string describe_model(const Json& report);

}  // namespace tweedie::bench
