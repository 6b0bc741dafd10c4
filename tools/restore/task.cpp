#include "tools/restore/task.hpp"

#include <algorithm>

#include "operators/factory.hpp"
#include "operators/inpainting.hpp"
#include "tools/image.hpp"

namespace tweedie {
namespace {

struct Row {
  const char* name;
  const char* what;
  double zeta_network, zeta_spectrum;
};

// zeta_network: the paper's table for FFHQ. zeta_spectrum: the best of a scan over powers of two on
// photographs, 250 to 1000 steps; it multiplies the root of the number of measured values, the scale of |y -
// A x0_hat| at a given sigma, so that one number serves every image size.
constexpr Row rows[] = {
    {"denoising", "noise alone", 1.0, 0.045},
    {"inpainting", "pixels lost where --mask is black", 1.0, 0.045},
    {"inpainting_random", "a fraction --drop of the pixels lost", 1.0, 0.045},
    {"inpainting_box", "a square hole of side --box", 1.0, 0.045},
    {"super_resolution", "bicubic reduction by --factor", 1.0, 0.09},
    {"gaussian_blur", "Gaussian blur of --blur-sigma pixels", 1.0, 0.09},
};

nlohmann::json operator_settings(const std::string& name, const TaskOptions& o) {
  if (name == "denoising") return {{"name", "noise"}};
  if (name == "super_resolution") return {{"name", name}, {"scale_factor", o.factor}};
  if (name == "gaussian_blur")
    return {{"name", name}, {"kernel_size", o.kernel_size}, {"intensity", o.blur_sigma}};
  return {{"name", "inpainting"}};
}

std::vector<float> make_mask(const Task& task, const TaskOptions& o, int H, int W, std::uint64_t seed) {
  if (!o.mask.empty()) return read_mask(o.mask, H, W);
  require(task.name != "inpainting", "task inpainting: give the mask with --mask (white: observed)");
  if (task.name == "inpainting_random") return random_mask(H, W, o.drop, seed);
  const int side = o.box > 0 ? o.box : std::min(128, std::min(H, W) / 2);
  // The published code keeps 16 pixels from the border of 256; smaller images keep the same share.
  const int margin = std::min(16, std::min(H - side, W - side) / 2);
  return random_box_mask(H, W, side, side, std::max(margin, 0), seed);
}

}  // namespace

std::string describe_tasks() {
  std::string text = "Tasks:";
  for (const Row& row : rows)
    text += message("\n  ", row.name, std::string(20 - std::string(row.name).size(), ' '), row.what);
  return text;
}

Task make_task(const std::string& name, const TaskOptions& options) {
  std::string known;
  for (const Row& row : rows) {
    if (name == row.name) {
      Task task{name, operator_settings(name, options), {}, row.zeta_network, row.zeta_spectrum, 1};
      task.noise = {"gaussian", 0.05};
      if (name == "super_resolution") task.shrinks = options.factor;
      return task;
    }
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  throw Error(message("task '", name, "' is not known; expected one of ", known));
}

std::unique_ptr<ForwardOperator> make_task_operator(Context& context, const Task& task,
                                                    const TaskOptions& options, int H, int W,
                                                    std::uint64_t seed) {
  OperatorData data;
  if (task.settings.at("name") == "inpainting")
    data.mask = context.upload({1, 1, H, W}, make_mask(task, options, H, W, seed));
  if (task.name == "gaussian_blur")
    require(options.kernel_size / 2 < std::min(H, W), "task gaussian_blur: a kernel of ", options.kernel_size,
            " pixels needs an image of at least ", options.kernel_size / 2 + 1,
            " pixels a side, this one is ", W, "x", H, "; see --kernel-size");
  return make_operator(context, task.settings, data);
}

}  // namespace tweedie
