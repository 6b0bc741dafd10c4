#include "tools/restore/task.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <random>

#include "operators/inpainting.hpp"
#include "tools/image.hpp"
#include "weights/array_file.hpp"

namespace tweedie {
namespace {

struct Row {
  const char* name;
  const char* what;
  const char* op;  // the operator's name
  StepSizes zeta;
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
    {"phase_retrieval", "magnitudes of the Fourier transform", "phase_retrieval", {0.4, 0.4, 0.3, 0.045}},
    {"colourisation", "the gray version", "colourisation", {}},
    {"ct", "line integrals along --angles directions", "ct", {1.0, 1.0, 0.3, 0.09}},
    {"mri", "a part of k-space, by --pattern; or a fastMRI file", "mri", {}},
    {"composed", "operators one after another, from a task file", "composed", {}},
};

const Row* find(const std::string& name) {
  for (const Row& row : rows)
    if (name == row.name) return &row;
  return nullptr;
}

/// The operators one is composed of, in order; of any other, itself. Errors: one without a name.
std::vector<nlohmann::json> parts_of(const nlohmann::json& settings) {
  const bool named = settings.is_object() && settings.contains("name") && settings["name"].is_string();
  require(named, "operator: ", settings.dump(), " has no name; expected a table of settings with one");
  if (settings["name"] != "composed" || !settings.contains("operators") || !settings["operators"].is_array())
    return {settings};
  std::vector<nlohmann::json> parts;
  for (const nlohmann::json& each : settings["operators"])
    for (nlohmann::json& part : parts_of(each)) parts.push_back(std::move(part));
  return parts;
}

/// A whole number among the settings, or what the operator takes without it. (What is no number the operator
/// refuses.)
int whole(const nlohmann::json& settings, const char* key, int otherwise) {
  const bool stated = settings.contains(key) && settings[key].is_number_integer() && settings[key] > 0 &&
                      settings[key] <= 1 << 16;
  return stated ? settings[key].get<int>() : otherwise;
}

/// Adds the seed to every operator that draws and states none, and what the command line says of draws.
void state_draws(nlohmann::json& settings, bool per_call, std::uint64_t seed) {
  const std::string name = settings["name"];
  if (name == "composed" && settings.contains("operators") && settings["operators"].is_array())
    for (nlohmann::json& each : settings["operators"]) state_draws(each, per_call, seed);
  const bool stated = settings.contains("seed") && !settings["seed"].is_null();
  if (!stated && (name == "motion_blur" || name == "nonlinear_blur" || name == "mri"))
    settings["seed"] = seed;
  if (name == "nonlinear_blur" && per_call) settings["draw"] = "per_call";
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
  if (op == "mri")
    s.update({{"mask", o.sampling.pattern},
              {"acceleration", o.sampling.acceleration},
              {"centre", o.sampling.centre}});
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

/// What of an image of this shape the operator that masks sees; none where there is no such operator.
std::optional<Shape> masked_shape(Context& context, const nlohmann::json& settings, const OperatorData& data,
                                  Shape image) {
  for (const nlohmann::json& part : parts_of(settings)) {
    if (part["name"] == "inpainting") return image;
    if (settings["name"] == "composed") image = make_operator(context, part, data)->output_shape(image);
  }
  return {};
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

bool Task::uses(const std::string& op) const {
  const std::vector<nlohmann::json> parts = parts_of(settings);
  return std::any_of(parts.begin(), parts.end(), [&](const auto& part) { return part["name"] == op; });
}

void Task::set_operator(nlohmann::json operator_settings) {
  settings = std::move(operator_settings);
  shows = Shows::picture, shrinks = 1, channels = 0, restarts = 1;
  for (const nlohmann::json& part : parts_of(settings)) {
    const std::string op = part["name"];
    if (op == "super_resolution")
      shrinks = int(std::min(std::int64_t(shrinks) * whole(part, "scale_factor", 1), std::int64_t(1) << 20));
    if (op == "colourisation") channels = 1;
    if (op == "ct") shows = Shows::sinogram;
    if (op == "mri") shows = Shows::frequencies;
    if (op == "phase_retrieval") shows = Shows::magnitudes, restarts = 4;
  }
}

Task make_task(const std::string& name, const TaskOptions& options, std::uint64_t seed) {
  const Row* row = find(name);
  if (!row) {
    std::string known;
    for (const Row& each : rows) known += (known.empty() ? "" : ", ") + std::string(each.name);
    throw Error(message("task '", name, "' is not known; expected one of ", known));
  }
  nlohmann::json settings = operator_settings(row->op, options);
  parts_of(settings);  // all have names
  if (name == "phase_retrieval" && !options.range.empty() && !settings.contains("range"))
    settings["range"] = options.range;
  state_draws(settings, options.per_call, seed);
  Task task{name, {}, row->zeta};
  task.set_operator(std::move(settings));
  return task;
}

std::string task_of_operator(const nlohmann::json& settings, const MaskOptions& mask) {
  const std::string op = settings.value("name", "");
  if (op == "inpainting") return mask.kind == "file" ? op : op + "_" + mask.kind;
  for (const Row& row : rows)
    if (op == row.op) return row.name;
  throw Error(message("operator '", op, "' is not one of a task"));
}

namespace {

MaskOptions mask_of(const Task& task, MaskOptions mask) {
  if (task.name.starts_with("inpainting_")) mask.kind = task.name.substr(11);
  return mask;
}

}  // namespace

OperatorData make_operator_data(Context& context, const Task& task, const TaskOptions& o, const Shape& image,
                                std::uint64_t seed) {
  OperatorData data;
  data.weights = o.weights;
  for (const nlohmann::json& part : parts_of(task.settings)) {
    const std::string op = part["name"];
    const int size = whole(part, "kernel_size", 61);
    if (op == "kernel_blur") {
      require(!o.kernel.empty(), "task ", task.name, ": give the kernel with --kernel");
      data["kernel"] = read_kernel(context, o.kernel);
    }
    if (op == "nonlinear_blur")
      require(!o.weights.empty(), "task ", task.name,
              ": give the weight file of its network with --operator-weights");
    if (task.name == op && op == "kernel_blur") require_fits(op, data["kernel"].shape(), image.H, image.W);
    if (task.name == op && (op == "gaussian_blur" || op == "motion_blur"))
      require_fits(op, {1, 1, size, size}, image.H, image.W);
  }
  if (const auto masked = masked_shape(context, task.settings, data, image))
    data["mask"] = context.upload({1, 1, masked->H, masked->W},
                                  make_mask(mask_of(task, o.mask), masked->H, masked->W, seed));
  return data;
}

nlohmann::json describe_mask(const Task& task, const TaskOptions& o) {
  if (!task.uses("inpainting")) return {};
  const MaskOptions mask = mask_of(task, o.mask);
  if (!mask.file.empty()) return {{"file", mask.file}};
  nlohmann::json json{{"kind", mask.kind}};
  if (mask.kind == "random" || mask.kind == "both") json["drop"] = mask.drop;
  if (mask.kind != "random" && mask.box[0] > 0) json["box"] = mask.box;
  if (mask.kind != "random") json["margin"] = mask.margin;
  return json;
}

}  // namespace tweedie
