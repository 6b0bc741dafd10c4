#include "tools/restore/options.hpp"

#include <algorithm>
#include <cmath>

#include "tools/device_option.hpp"
#include "tools/restore/kspace.hpp"
#include "tools/restore/measurement_file.hpp"
#include "tools/restore/method.hpp"
#include "tools/restore/task_file.hpp"

namespace tweedie {
namespace {

void declare_measurement(CLI::App& app, Options& o) {
  app.add_option("--task", o.task, "What was measured (see above)");
  app.add_option("--task-config,--task_config", o.task_config,
                 "Task, noise and method from a YAML file as the DPS repository has them");
  app.add_option("--model-config,--model_config", o.model_config,
                 "YAML file the network's configuration must agree with");
  app.add_option("--diffusion-config,--diffusion_config", o.diffusion_config,
                 "Sampler and respacing from a YAML file");
  app.add_option("--input", o.input,
                 "Image (PNG, JPEG) to degrade and restore; or, with --measurement, the truth");
  app.add_option("--measurement", o.measurement,
                 "Restore this measurement instead of simulating one: PNG, JPEG, or the measurement.h5 of "
                 "another run");
  TaskOptions& t = o.operation;
  app.add_option("--mask", t.mask.file, "Mask for inpainting: white is observed");
  app.add_option_function<double>(
         "--drop", [&t](double drop) { t.mask.drop[0] = t.mask.drop[1] = drop; },
         "inpainting_random, _both: fraction of pixels lost")
      ->check(CLI::Range(0.0, 1.0))
      ->default_str("0.92");
  app.add_option_function<int>(
         "--box", [&t](int side) { t.mask.box[0] = side, t.mask.box[1] = side + 1; },
         "inpainting_box, _both, _extreme: side of the box in pixels (default: half the image, 128 at most)")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--factor", t.factor, "super_resolution: reduction")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  app.add_option("--reduction", t.reduction, "super_resolution: bicubic (antialiased) or average")
      ->check(CLI::IsMember({"bicubic", "average"}))
      ->capture_default_str();
  app.add_option("--kernel-size", t.kernel_size, "gaussian_blur, motion_blur: odd number of pixels")
      ->capture_default_str()
      ->check(CLI::Range(1, 4095));
  app.add_option("--blur-sigma", t.blur_sigma, "gaussian_blur: pixels")->capture_default_str();
  app.add_option("--intensity", t.intensity, "motion_blur: 0 nearly straight, 1 a scribble")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--kernel", t.kernel, "kernel_blur: gray picture, or HDF5 with a dataset `kernel`");
  app.add_option("--boundary", t.boundary, "Blurs: how the image goes on beyond its edge")
      ->check(CLI::IsMember({"reflect", "circular"}))
      ->capture_default_str();
  app.add_option("--oversample", t.oversample,
                 "phase_retrieval: oversample / 8 of a side are added all around")
      ->capture_default_str();
  app.add_option("--range", t.range,
                 "phase_retrieval: transform the image in [-1, 1] (pm1) or in [0, 1] (unit)")
      ->check(CLI::IsMember({"pm1", "unit"}))
      ->default_str("pm1");
  app.add_option("--angles", t.angles, "ct: number of directions")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  app.add_option("--first-angle", t.first_angle, "ct: the first of them, degrees; at 0 rays are columns")
      ->capture_default_str();
  app.add_option("--span", t.span, "ct: degrees they are spread over; below 180: limited angle")
      ->capture_default_str();
  app.add_option("--detectors", t.detectors, "ct: pixels wide each; 0: as many as the diagonal")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--pattern", t.sampling.pattern,
                 "mri: columns (uniform1d, gaussian1d, equispaced1d) or entries (uniform2d, gaussian2d)")
      ->check(CLI::IsMember({"uniform1d", "gaussian1d", "equispaced1d", "uniform2d", "gaussian2d"}))
      ->capture_default_str();
  app.add_option("--acceleration", t.sampling.acceleration, "mri: how many times less is measured")
      ->capture_default_str();
  app.add_option("--centre", t.sampling.centre, "mri: fraction of the columns always measured")
      ->capture_default_str();
  app.add_option("--slice", t.slice, "mri: of a fastMRI file given as --measurement")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--operator-weights", t.weights, "nonlinear_blur: weight file of its network");
  app.add_option("--noise", o.noise, "gaussian, poisson or none; of a measurement.h5: what it says")
      ->check(CLI::IsMember({"gaussian", "poisson", "none"}))
      ->default_str("gaussian");
  app.add_option("--sigma", o.sigma, "gaussian: standard deviation; 0: none")
      ->default_str("0.05")
      ->check(CLI::Range(0.0, largest_sigma));
  app.add_option("--unit", o.unit, "--sigma is for images in [-1, 1] (pm1) or in [0, 1] (unit)")
      ->check(CLI::IsMember({"pm1", "unit"}))
      ->capture_default_str();
  app.add_option("--rate", o.rate, "poisson: white is 255 times so many photons")
      ->default_str("1")
      ->check(CLI::PositiveNumber);
}

void declare_method(CLI::App& app, Options& o) {
  app.add_option("--weights", o.weights,
                 "Weight file of a trained prior; without it, the analytic spectrum prior");
  app.add_option("--label", o.label, "Class of the image, for class-conditional networks");
  app.add_option("--method", o.method, "How the measurement is used (README: which suits which task)")
      ->check(CLI::IsMember(method_names()))
      ->capture_default_str();
  app.add_option("--zeta", o.zeta, "Step size of the guidance (default: the task's for this prior)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--lambda", o.lambda, "admm-tv: weight of the total variation (default: 0.027)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--rho", o.rho, "admm-tv: penalty of the splitting (default: 0.14 for blurs, else 0.01)")
      ->check(CLI::PositiveNumber);
  app.add_option("--iterations", o.iterations, "At most so many: admm-tv (default 300), er, hio, oss (10000)")
      ->check(CLI::Range(1, 100000000));
  app.add_flag("--compat", o.compat,
               "As the DPS repository computes it where that differs: Poisson guidance, the projection of "
               "super-resolution, noise on masked pixels, a new nonlinear blur at every call");
  add_sampler_options(app, o.sampler);
  app.add_option("--steps", o.steps, "Sampling steps (0: all the prior was made with)")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--samples", o.samples, "Samples to draw of the posterior")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  app.add_option("--restarts", o.restarts,
                 "Runs for each sample, of which the one with the least misfit is kept (0: 4 for "
                 "phase_retrieval, else 1)")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000));
  add_seed_option(app, o.seed, "Seed of mask, noise and sampler");
}

void declare(CLI::App& app, Options& o) {
  app.description(
      "Restores an image by diffusion posterior sampling, or by a classical method to compare with.\n" +
      describe_tasks() + "\n" + describe_methods() + "\n" + describe_samplers());
  app.footer(
      "Examples:\n"
      "  tweedie-restore --task inpainting_random --drop 0.7 --input photo.png -o out\n"
      "  tweedie-restore --task gaussian_blur --input photo.jpg --weights ffhq.h5 --steps 100 -o out\n"
      "  tweedie-restore --task inpainting --mask holes.png --measurement damaged.png -o out\n"
      "  tweedie-restore --task_config gaussian_deblur_config.yaml --weights ffhq.h5 --input face.png -o "
      "out\n"
      "Deterministic samplers (ddim with --eta 0, ode) have no noise to hide the guidance's errors: they "
      "want a\n"
      "smaller --zeta, --no-clip, or (ddim) --eta 0.5 or more.\n"
      "Pixels and sigma are in units of [-1, 1] images. Written: restored.png, measurement.png, "
      "measurement.h5 (exact,\n"
      "with operator and noise), comparison.png, report.json; with --samples N also each sample, their mean, "
      "their "
      "standard\n"
      "deviation as a heat map and, where the truth is known, how often it falls inside the samples' central "
      "50 and 90 %.");
  declare_measurement(app, o);
  declare_method(app, o);
  add_device_option(app, o.device);
  app.add_option("-o,--output,--save_dir", o.output, "Folder for the results (made if missing)")->required();
  app.add_flag("--quiet", o.quiet, "No progress");
}

/// What an option is for: tasks, with their operator; or methods.
struct Use {
  const char* option;
  std::vector<const char*> of;
};

std::vector<Use> operator_options() {
  return {
      {"--drop", {"inpainting_random", "inpainting_both"}},
      {"--box", {"inpainting_box", "inpainting_both", "inpainting_extreme"}},
      {"--factor", {"super_resolution"}},
      {"--reduction", {"super_resolution"}},
      {"--kernel-size", {"gaussian_blur", "motion_blur"}},
      {"--blur-sigma", {"gaussian_blur"}},
      {"--intensity", {"motion_blur"}},
      {"--boundary", {"gaussian_blur", "motion_blur", "kernel_blur"}},
      {"--oversample", {"phase_retrieval"}},
      {"--range", {"phase_retrieval"}},
      {"--angles", {"ct"}},
      {"--first-angle", {"ct"}},
      {"--span", {"ct"}},
      {"--detectors", {"ct"}},
      {"--pattern", {"mri"}},
      {"--acceleration", {"mri"}},
      {"--centre", {"mri"}},
  };
}

std::vector<Use> file_options() {
  return {
      {"--mask", {"inpainting"}},
      {"--kernel", {"kernel_blur"}},
      {"--operator-weights", {"nonlinear_blur"}},
  };
}

std::vector<Use> method_options() {
  const std::vector<const char*> sampled{"dps", "ps+", "mcg", "projection", "ilvr", "noisy-gradient"};
  return {
      {"--zeta", {"dps", "ps+", "mcg", "noisy-gradient"}},
      {"--lambda", {"admm-tv"}},
      {"--rho", {"admm-tv"}},
      {"--iterations", {"admm-tv", "er", "hio", "oss"}},
      {"--restarts", {"dps", "ps+", "mcg", "projection", "ilvr", "noisy-gradient", "er", "hio", "oss"}},
      {"--steps", sampled},
      {"--sampler", sampled},
      {"--eta", sampled},
      {"--parameterisation", sampled},
      {"--corrections", sampled},
      {"--snr", sampled},
      {"--no-clip", sampled},
      {"--samples", sampled},
      {"--weights", sampled},
      {"--label", sampled},
      {"--model-config", sampled},
      {"--diffusion-config", sampled},
  };
}

/// An option that changes nothing is a mistake of whoever gave it.
void require_of_use(const CLI::App& app, const std::vector<Use>& uses, const char* what,
                    const std::string& name) {
  for (const Use& use : uses) {
    if (app.count(use.option) == 0) continue;
    const bool fits =
        std::any_of(use.of.begin(), use.of.end(), [&](const char* each) { return name == each; });
    std::string known;
    for (const char* each : use.of) known += (known.empty() ? "" : ", ") + std::string(each);
    require(fits, use.option, " means nothing to ", what, " ", name, ", only to ", known);
  }
}

/// Files belong to operators; a task file's operator may be composed of several, and leave its mask to the
/// command line.
void require_files_of_use(const CLI::App& app, const Options& o) {
  const bool described = !o.task_config.empty();
  if (o.task == "composed" && !described) return;  // its measurement.h5 will say
  const Task task = make_task(o.task, o.operation, o.seed);
  for (const Use& use : file_options()) {
    const std::string of = use.of[0];
    require(app.count(use.option) == 0 || (described ? task.uses(of) : task.name == of), use.option,
            " means nothing to task ", task.name, ", only to ", of);
  }
}

/// The operator is described in one place.
void require_one_description(const CLI::App& app, const std::string& file) {
  for (const Use& use : operator_options())
    require(app.count(use.option) == 0, use.option, ": what was measured is said in ", file,
            "; leave it out, or change it there");
}

void require_sense(const CLI::App& app, const Options& o) {
  require(!o.task.empty(), "give a --task or a --task-config");
  require(!o.input.empty() || !o.measurement.empty(), "give an image with --input or a --measurement");
  if (!o.task_config.empty()) require_one_description(app, o.task_config);
  if (is_hdf5(o.measurement) && is_measurement(o.measurement)) {
    require_one_description(app, o.measurement);
    for (const char* option : {"--mask", "--kernel"})
      require(app.count(option) == 0, option, ": it is in ", o.measurement, "; leave it out");
  }
  require(o.task != "composed" || !o.task_config.empty() || is_hdf5(o.measurement),
          "task composed: give its operators with --task-config, or a measurement.h5");
  require_of_use(app, operator_options(), "task", o.task);
  require_files_of_use(app, o);
  require(app.count("--slice") == 0 || (is_hdf5(o.measurement) && is_kspace(o.measurement)),
          "--slice means nothing here: the measurement is no fastMRI file");
  require_of_use(app, method_options(), "--method", o.method);
  require_of_use(app, o.sampler);
  require(app.count("--unit") == 0 || app.count("--sigma") > 0, "--unit means nothing without --sigma");
  if (!is_hdf5(o.measurement)) noise_of(o, {});  // else once it is read
}

}  // namespace

Options read_options(CLI::App& app, int argc, char** argv) {
  Options o;
  o.command.assign(argv, argv + argc);
  declare(app, o);
  app.parse(argc, argv);
  if (!o.task_config.empty()) {
    require(o.task.empty(), "give --task or --task-config, not both");
    apply_task_file(o, o.task_config);
  }
  if (!o.diffusion_config.empty()) apply_diffusion_file(o, o.diffusion_config);
  if (!o.task_config.empty() || !o.diffusion_config.empty()) {
    app.parse(argc, argv);  // once more, over what the files said
  }
  require_sense(app, o);
  for (const char* option : {"--pattern", "--acceleration", "--centre"})
    o.sampling_stated = o.sampling_stated || app.count(option) > 0;
  for (const char* key : {"mask", "acceleration", "centre", "seed"})
    o.sampling_stated =
        o.sampling_stated || (o.operation.settings.contains(key) && !o.operation.settings[key].is_null());
  const TaskOptions& t = o.operation;
  for (const auto& [option, value] : {std::pair{"--sigma", o.sigma.value_or(0)},
                                      {"--zeta", o.zeta.value_or(0)},
                                      {"--lambda", o.lambda.value_or(0)},
                                      {"--rho", o.rho.value_or(1)},
                                      {"--first-angle", t.first_angle},
                                      {"--span", t.span},
                                      {"--acceleration", t.sampling.acceleration},
                                      {"--centre", t.sampling.centre},
                                      {"--rate", o.rate.value_or(1)},
                                      {"--drop", t.mask.drop[0]},
                                      {"--oversample", t.oversample},
                                      {"--blur-sigma", t.blur_sigma}})
    require(std::isfinite(value), option, ": ", value, " is not a finite number");
  sampler_options(o.sampler, Variance::fixed_small);  // refuses before anything is loaded
  o.operation.per_call = o.compat;
  // Classical phase retrieval wants black around the image.
  if (o.operation.range.empty() && (o.method == "er" || o.method == "hio" || o.method == "oss"))
    o.operation.range = "unit";
  return o;
}

Noise noise_of(const Options& o, const std::optional<Noise>& stored) {
  const bool compat = stored ? stored->compat : o.measurement.empty() && o.compat;
  const Noise otherwise{"gaussian", 0.05, 1, compat};
  Noise noise = stored ? *stored : o.file_noise.value_or(otherwise);
  noise.compat = compat;
  if (o.noise && *o.noise != noise.name) {
    noise = otherwise;
    noise.name = *o.noise;
  }
  if (!o.noise && o.sigma && noise.name == "none") noise.name = "gaussian";
  require(!o.sigma || noise.name == "gaussian", "--sigma means nothing to noise ", noise.name,
          ", only to gaussian");
  require(!o.rate || noise.name == "poisson", "--rate means nothing to noise ", noise.name,
          ", only to poisson");
  if (o.sigma) noise.sigma = *o.sigma * (o.unit == "unit" ? 2 : 1);
  if (o.rate) noise.rate = *o.rate;
  require(noise.sigma <= largest_sigma, "--sigma: ", noise.sigma, " in [-1, 1] units; expected at most ",
          largest_sigma);
  if (noise.name == "gaussian" && noise.sigma == 0) noise.name = "none";
  return noise;
}

}  // namespace tweedie
