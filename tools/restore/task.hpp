// The inverse problems tweedie-restore knows by name, and their defaults.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "operators/noise.hpp"

namespace tweedie {

/// One inverse problem: an operator, a noise model, a step size.
struct Task {
  std::string name;
  nlohmann::json settings;  ///< of the operator, as `make_operator` takes them
  Noise noise{"gaussian", 0.05};
  double zeta_network = 1;   ///< step size of the guidance with a trained prior
  double zeta_spectrum = 1;  ///< with the spectrum prior, times sqrt(number of measured values)
  int shrinks = 1;           ///< the image is so many times larger than the measurement
};

/// Names and one line each, for --help.
std::string describe_tasks();

/// What the command line may change of a task.
struct TaskOptions {
  std::string mask;      ///< file: observed pixels are white
  double drop = 0.92;    ///< inpainting_random: fraction of pixels lost
  int box = 0;           ///< inpainting_box: side of the hole, 0: half the image's shorter side, 128 at most
  int factor = 4;        ///< super_resolution
  int kernel_size = 61;  ///< gaussian_blur
  double blur_sigma = 3;
};

/// Errors: an unknown name (the known ones are listed).
Task make_task(const std::string& name, const TaskOptions& options);

/// The operator of a task for H x W images: reads the mask file or draws the mask. Errors: a mask that does
/// not fit, an image that is too small.
std::unique_ptr<ForwardOperator> make_task_operator(Context& context, const Task& task,
                                                    const TaskOptions& options, int H, int W,
                                                    std::uint64_t seed);

}  // namespace tweedie
