#include "tools/restore/task.hpp"

#include <algorithm>
#include <filesystem>
#include <random>

#include "kernels/elementwise.hpp"
#include "layers/kernel_wizard.hpp"
#include "operators/inpainting.hpp"
#include "operators/kernel_blur.hpp"
#include "tools/image.hpp"
#include "weights/array_file.hpp"
#include "weights/weight_file.hpp"

namespace tweedie {
namespace {

struct Row {
  const char* name;
  const char* what;
  const char* op;  // the operator's name
  StepSizes zeta;
  Shows shows = Shows::picture;
  int restarts = 1;
};

// Networks: the table of the DPS paper; where it has no number, that of the nearest task. Spectrum: the best
// of a scan over powers of two on photographs, 250 to 1000 steps.
constexpr Row rows[] = {
    {"denoising", "noise alone", "noise", {}},
    {"inpainting", "pixels lost where --mask is black", "inpainting", {}},
    {"inpainting_random", "a fraction --drop of the pixels lost", "inpainting", {}},
    {"inpainting_box", "a hole of side --box", "inpainting", {}},
    {"inpainting_both", "a hole, and a fraction of the rest", "inpainting", {}},
    {"inpainting_extreme", "all lost but a box", "inpainting", {}},
    {"super_resolution", "reduction by --factor", "super_resolution", {1.0, 1.0, 0.3, 0.09}},
    {"gaussian_blur", "blur by a Gaussian of --blur-sigma", "gaussian_blur", {1.0, 0.4, 0.3, 0.09}},
    {"motion_blur", "blur by a shaken camera", "motion_blur", {1.0, 0.6, 0.3, 0.045}},
    {"kernel_blur", "blur by the kernel in a file", "kernel_blur", {1.0, 0.6, 0.3, 0.045}},
    {"nonlinear_blur", "blur by a network", "nonlinear_blur", {1.0, 1.0, 0.3, 0.09}},
    {"phase_retrieval",
     "magnitudes of the Fourier transform",
     "phase_retrieval",
     {0.4, 0.4, 0.3, 0.045},
     Shows::magnitudes,
     4},
    {"colourisation", "the gray version", "colourisation", {}},
    {"ct", "line integrals along --angles directions", "ct", {1.0, 1.0, 0.3, 0.09}, Shows::sinogram},
    {"mri", "a part of k-space, by --pattern; or a fastMRI file", "mri", {}, Shows::frequencies},
    {"composed", "operators one after another, from a task file", "composed", {}},
};

const Row* find(const std::string& name) {
  for (const Row& row : rows)
    if (name == row.name) return &row;
  return nullptr;
}

// Whether an operator, or one it is composed of, has this name.
bool uses(const nlohmann::json& settings, const std::string& op) {
  if (settings.value("name", "") == op) return true;
  if (settings.contains("operators"))
    for (const nlohmann::json& each : settings["operators"])
      if (each.is_object() && uses(each, op)) return true;
  return false;
}

nlohmann::json operator_settings(const std::string& op, const TaskOptions& o) {
  if (!o.settings.is_null()) return o.settings;
  nlohmann::json s{{"name", op}};
  if (op == "super_resolution") s.update({{"scale_factor", o.factor}, {"kernel", o.reduction}});
  if (op == "gaussian_blur") s.update({{"kernel_size", o.kernel_size}, {"intensity", o.blur_sigma}});
  if (op == "motion_blur") s.update({{"kernel_size", o.kernel_size}, {"intensity", o.intensity}});
  if (op.ends_with("_blur") && op != "nonlinear_blur") s["boundary"] = o.boundary;
  if (op == "phase_retrieval") s["oversample"] = o.oversample;
  if (op == "ct")
    s.update({{"angles", o.angles}, {"first", o.first_angle}, {"span", o.span}, {"detectors", o.detectors}});
  return s;
}

// The margin of the published code suits 256 pixels; smaller images keep what they can of it.
std::vector<float> draw_box(const MaskOptions& o, int H, int W, std::uint64_t seed) {
  int low = o.box[0], high = std::max(o.box[1], o.box[0] + 1);
  if (low == 0) low = std::min(128, std::min(H, W) / 2), high = low + 1;
  std::mt19937_64 generator(seed + 1);
  const int height = low + int(generator() % std::uint64_t(high - low));
  const int width = low + int(generator() % std::uint64_t(high - low));
  const int margin = std::max(0, std::min({o.margin, (H - height) / 2, (W - width) / 2}));
  return random_box_mask(H, W, height, width, margin, seed);
}

std::vector<float> make_mask(const MaskOptions& o, int H, int W, std::uint64_t seed) {
  if (!o.file.empty()) return read_mask(o.file, H, W);
  require(o.kind != "file", "task inpainting: give the mask with --mask (white: observed)");
  const auto random = [&] {
    std::mt19937_64 generator(seed + 2);
    const double u = double(generator() >> 11) * 0x1p-53;
    return random_mask(H, W, o.drop[0] + u * (o.drop[1] - o.drop[0]), seed);
  };
  if (o.kind == "random") return random();
  const std::vector<float> box = draw_box(o, H, W, seed);
  return o.kind == "extreme" ? inverted(box) : o.kind == "both" ? both(box, random()) : box;
}

// A gray picture, black where the kernel is 0, or the dataset `kernel` of an HDF5 file; its sum becomes 1.
Tensor read_kernel(Context& context, const std::string& path) {
  std::vector<float> values;
  Shape shape{1, 1, 0, 0};
  if (std::filesystem::path(path).extension() == ".h5") {
    const ArrayFile file(path);
    const Extents e = file.extents("kernel");
    require(e.size() == 2 && e[0] < 4096 && e[1] < 4096, path, ": kernel has shape ", to_string(e),
            ", expected (height, width)");
    shape.H = int(e[0]), shape.W = int(e[1]);
    values = file.floats("kernel");
  } else {
    const Image image = to_gray(read_image(path));
    shape.H = image.height, shape.W = image.width;
    for (const float v : image.data) values.push_back((v + 1) / 2);
  }
  double sum = 0;
  for (const float v : values) sum += v;
  require(sum > 0, path, ": the kernel's sum is ", sum, ", expected a positive number");
  for (float& v : values) v = float(v / sum);
  require(shape.H % 2 == 1 && shape.W % 2 == 1, path, ": a kernel of ", shape.W, " x ", shape.H,
          " pixels; expected odd sides");
  return context.upload(shape, values);
}

// The code of a kernel (operators/nonlinear_blur.hpp); none where the operator will refuse the size.
Tensor draw_code(Context& context, const std::string& weights, int H, int W) {
  require(!weights.empty(),
          "task nonlinear_blur: give the weight file of its network with --operator-weights");
  const KernelWizardConfig config = parse_kernel_wizard_config(WeightFile(weights).header().config, weights);
  const int stride = KernelWizard::stride;
  if (H % stride != 0 || W % stride != 0) return {};
  Tensor code = context.normal({1, config.kernel_dim, H / stride, W / stride});
  axpby(context.queue, code, 1.2f, code, 0.f, code);
  return code;
}

void require_fits(const std::string& name, const Shape& kernel, int H, int W) {
  require(kernel.H / 2 < H && kernel.W / 2 < W, "task ", name, ": a kernel of ", kernel.W, " x ", kernel.H,
          " pixels needs an image of at least ", kernel.W / 2 + 1, " x ", kernel.H / 2 + 1, ", this one is ",
          W, " x ", H, "; see --kernel-size");
}

}  // namespace

std::string describe_tasks() {
  std::string text = "Tasks:";
  for (const Row& row : rows)
    text += message("\n  ", row.name, std::string(20 - std::string(row.name).size(), ' '), row.what);
  return text;
}

Task make_task(const std::string& name, const TaskOptions& options) {
  const Row* row = find(name);
  if (!row) {
    std::string known;
    for (const Row& each : rows) known += (known.empty() ? "" : ", ") + std::string(each.name);
    throw Error(message("task '", name, "' is not known; expected one of ", known));
  }
  Task task{name, operator_settings(row->op, options), row->zeta, row->shows, 1, 0, row->restarts};
  if (name == "phase_retrieval" && !options.range.empty()) task.settings["range"] = options.range;
  if (name == "nonlinear_blur" && options.per_call) task.settings["draw"] = "per_call";
  if (name == "super_resolution") task.shrinks = task.settings.value("scale_factor", options.factor);
  if (name == "colourisation") task.channels = 1;
  return task;
}

std::string task_of_operator(const nlohmann::json& settings, const MaskOptions& mask) {
  const std::string op = settings.value("name", "");
  if (op == "inpainting") return mask.kind == "file" ? op : op + "_" + mask.kind;
  for (const Row& row : rows)
    if (op == row.op) return row.name;
  throw Error(message("operator '", op, "' is not one of a task"));
}

OperatorData make_operator_data(Context& context, const Task& task, const TaskOptions& o, int H, int W,
                                std::uint64_t seed) {
  OperatorData data;
  data.weights = o.weights;
  if (uses(task.settings, "inpainting")) {
    MaskOptions mask = o.mask;
    if (task.name.starts_with("inpainting_")) mask.kind = task.name.substr(11);
    data.mask = context.upload({1, 1, H, W}, make_mask(mask, H, W, seed));
  }
  // A task file may describe the sampling itself; else it is drawn here, to be written down with the
  // measurement.
  if (task.name == "mri" && task.settings.size() == 1) {
    Sampling sampling = o.sampling;
    sampling.seed = seed;
    data.mask = context.upload({1, 1, H, W}, sampling_mask(H, W, sampling));
  }
  if (uses(task.settings, "kernel_blur")) {
    require(!o.kernel.empty(), "task ", task.name, ": give the kernel with --kernel");
    data.kernel = read_kernel(context, o.kernel);
    require_fits(task.name, data.kernel.shape(), H, W);
  }
  const int size = task.settings.value("kernel_size", 61);
  if (task.name == "motion_blur") {
    const std::uint64_t own = task.settings.value("seed", seed);
    data.kernel =
        context.upload({1, 1, size, size}, motion_kernel(size, task.settings.value("intensity", 0.5), own));
  }
  if (task.name == "nonlinear_blur" && !o.per_call) data.kernel = draw_code(context, o.weights, H, W);
  if (task.name == "gaussian_blur" || task.name == "motion_blur")
    require_fits(task.name, {1, 1, size, size}, H, W);
  return data;
}

}  // namespace tweedie
