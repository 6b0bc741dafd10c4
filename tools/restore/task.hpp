// The inverse problems tweedie-restore knows by name, and their defaults.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/context.hpp"
#include "operators/factory.hpp"
#include "operators/mri.hpp"
#include "operators/sampling_mask.hpp"

namespace tweedie {

/// One inverse problem.
struct Task {
  std::string name;
  nlohmann::json settings;  ///< of the operator, as `make_operator` takes them
  StepSizes zeta;
  Shows shows = Shows::picture;
  int shrinks = 1;   ///< the image is so many times larger than the measurement
  int channels = 0;  ///< of a picture that is the measurement, 0: the image's
  int restarts = 1;  ///< runs of which the one with the least misfit is kept

  /// Whether the operator, or one it is composed of, has this name.
  bool uses(const std::string& op) const;
  /// Takes another operator, and from it what the fields above say.
  void set_operator(nlohmann::json operator_settings);
};

/// Where pixels are lost.
struct MaskOptions {
  std::string kind = "file";      ///< file, random, box, both (lost by either), extreme (all but the box)
  std::string file;               ///< observed pixels are white
  double drop[2] = {0.92, 0.92};  ///< random: fraction of pixels lost, drawn between the two
  int box[2] = {0, 0};  ///< box: its sides are drawn from [box[0], box[1]); 0: half the image, 128 at most
  int margin = 16;      ///< from the border, less where the image is too small for it
};

/// What the command line or a task file may change of a task.
struct TaskOptions {
  MaskOptions mask;
  int factor = 4;                      ///< super_resolution
  std::string reduction = "bicubic";   ///< or average
  int kernel_size = 61;                ///< gaussian_blur, motion_blur
  double blur_sigma = 3;               ///< gaussian_blur, pixels
  double intensity = 0.5;              ///< motion_blur
  std::string kernel;                  ///< kernel_blur: file
  std::string boundary = "reflect";    ///< blurs; or circular
  double oversample = 2;               ///< phase_retrieval
  std::string range;                   ///< phase_retrieval: pm1 or unit
  std::string weights;                 ///< nonlinear_blur: its network
  bool per_call = false;               ///< nonlinear_blur: a new kernel at every call
  int angles = 60, detectors = 0;      ///< ct
  double first_angle = 0, span = 180;  ///< ct, degrees
  Sampling sampling;                   ///< mri; its seed is the run's
  int slice = 0;                       ///< mri: of a fastMRI file
  nlohmann::json settings;             ///< of the operator, from a task file: instead of all but the mask
};

/// Names and one line each, for --help.
std::string describe_tasks();

/// Draws are stated in its settings by the seed, so that these alone say what was measured. Errors: an
/// unknown name (the known ones are listed); an operator without a name.
Task make_task(const std::string& name, const TaskOptions& options, std::uint64_t seed);

/// The name of the task that a task file's operator is. Errors: none is.
std::string task_of_operator(const nlohmann::json& settings, const MaskOptions& mask);

/// The arrays of a task's operator for such images: reads the kernel file, reads or draws the mask, of the
/// size that the operator which masks sees. Errors: a file that does not fit, an image that is too small.
OperatorData make_operator_data(Context& context, const Task& task, const TaskOptions& options,
                                const Shape& image, std::uint64_t seed);

/// Of masks that are drawn, for the report; null where there is none.
nlohmann::json describe_mask(const Task& task, const TaskOptions& options);

}  // namespace tweedie
