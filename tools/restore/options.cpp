#include "tools/restore/options.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "operators/measurement_file.hpp"
#include "tools/device_option.hpp"
#include "tools/numbers.hpp"
#include "tools/restore/measured_array.hpp"
#include "tools/restore/method.hpp"
#include "tools/restore/noise_option.hpp"
#include "tools/restore/task_file.hpp"
#include "tools/sampler_option.hpp"

namespace tweedie {
namespace {

/// What the command line says, before it is known what it means.
struct Raw {
  std::map<std::string, std::string> settings, files, foreign, method;  ///< by option
  std::map<std::string, std::string> unknown_weights, unknown_configs;  ///< by the unknown's name
  std::vector<std::string> sets;                                        ///< "key=value"
  std::string kernel_is = "correlation", gpu, levels, noise;
};

std::string of_tasks(const std::vector<std::string>& tasks) {
  std::string text;
  for (const std::string& task : tasks) text += (text.empty() ? "" : ", ") + task;
  return text;
}

void declare_task_options(CLI::App& app, const std::vector<TaskOption>& options,
                          std::map<std::string, std::string>& values) {
  for (const TaskOption& row : options) {
    // A mistake of ours: one is out of reach. Spell it otherwise, or "": then --set says it.
    if (app.get_option_no_throw(row.option)) throw std::logic_error(row.option + " is declared twice");
    std::string& value = values[row.option];
    if (row.is_flag) {
      app.add_flag_callback(
          row.option, [&value] { value = "true"; }, row.help);
      continue;
    }
    CLI::Option* option = app.add_option(row.option, value, row.help);
    if (!row.otherwise.empty()) option->default_str(row.otherwise);
  }
}

void declare_measurement(CLI::App& app, Options& o, Raw& raw) {
  app.add_option("--task", o.task, "What was measured (see above)");
  app.add_option("--task-config,--task_config", o.task_config,
                 "Task, noise and method from a YAML file as the DPS repository has them");
  app.add_option("--model-config,--model_config,--img_model_config", o.model_config,
                 "YAML file the network's configuration must agree with");
  app.add_option("--diffusion-config,--diffusion_config", o.diffusion_config,
                 "Sampler and respacing from a YAML file");
  app.add_option("--input", o.input,
                 "Image (PNG, JPEG, TIFF, NumPy) to degrade and restore; or, with --measurement, the truth");
  app.add_option(
      "--measurement", o.measurement,
      "Restore this measurement instead of simulating one: a picture, an array of magnitudes or line "
      "integrals (.npy, .npz, TIFF, HDF5), k-space (fastMRI file or complex .npy), or the "
      "measurement.h5 of another run");
  app.add_option("--black-white", raw.levels,
                 "BLACK:WHITE: the numbers that these are stored as in a picture of --input or --measurement "
                 "(default: 0 and the largest of whole numbers, 0 and 1 of real ones)");
  declare_task_options(app, file_options(), raw.files);
  app.add_option(
         "--kernel-is", raw.kernel_is,
         "What a --kernel file holds: the weights of a correlation, y[h, w] = sum k[i, j] x[h + i, w + j] "
         "about the kernel's middle, as networks and the DPS repository have it; or a point spread "
         "function (psf), with which the image is convolved: the picture of a point of light")
      ->check(CLI::IsMember({"correlation", "psf"}))
      ->capture_default_str();
  declare_task_options(app, setting_options(), raw.settings);
  app.add_option("--set", raw.sets, "key=value: a setting of the task by its name in files, or of the method")
      ->type_name("KEY=VALUE");
  declare_task_options(app, foreign_options(), raw.foreign);
  app.add_option("--noise", raw.noise, "gaussian, poisson or none; of a measurement.h5: what it says")
      ->check(CLI::IsMember({"gaussian", "poisson", "none"}))
      ->default_str("gaussian");
  app.add_option("--sigma", o.sigma, "gaussian: standard deviation; 0: none")
      ->default_str("0.05")
      ->check(number(0, largest_sigma));
  app.add_option("--unit", o.unit, "--sigma is for images in [-1, 1] (pm1) or in [0, 1] (unit)")
      ->check(CLI::IsMember({"pm1", "unit"}))
      ->capture_default_str();
  app.add_option("--rate", o.rate, "poisson: white is 255 times so many photons")
      ->default_str("1")
      ->check(positive_number());
}

void declare_method(CLI::App& app, Options& o, Raw& raw) {
  add_prior_options(app, o.prior,
                    "photo for images in colour and methods without a step size, else the analytic spectrum "
                    "prior");
  for (const UnknownOption& row : unknown_options()) {
    const std::string of = of_tasks(row.tasks);
    app.add_option(row.weights, raw.unknown_weights[row.unknown],
                   message(of, ": weight file of a prior of the ", row.unknown));
    app.add_option(message(row.config, ",--", row.unknown, "_model_config"), raw.unknown_configs[row.unknown],
                   message(of, ": YAML file that prior's configuration must agree with"));
  }
  app.add_option("--label", o.label, "Class of the image, for class-conditional networks")
      ->check(whole_number(0));
  add_class_guidance_option(app, o.class_guidance);
  app.add_option(
      "--method", o.method,
      "How the measurement is used (README: which suits which task). By default mmps, which needs no "
      "step size, where the task is linear and either 100 steps or fewer are asked for or nothing is "
      "said of steps and prior and the image is in colour; else dps");
  declare_task_options(app, method_options(), raw.method);
  app.add_flag("--compat", o.compat,
               "As the DPS repository computes it where that differs: Poisson guidance, the projection of "
               "super-resolution, noise on masked pixels, a new nonlinear blur at every call");
  app.add_option("--steps", o.steps,
                 "Sampling steps (0: the method's own number, for most all the prior was made with)")
      ->capture_default_str()
      ->check(whole_number(0));
  app.add_option("--samples", o.samples, "Samples to draw of the posterior")
      ->capture_default_str()
      ->check(whole_number(1, 100000));
  app.add_option("--restarts", o.restarts,
                 "Runs for each sample, of which the one with the least misfit is kept (0: 4 for "
                 "phase_retrieval, else 1)")
      ->capture_default_str()
      ->check(whole_number(0, 1000));
  app.add_option(
         "--batch", o.batch,
         "Samples and restarts that are computed side by side, each with the noise it would get alone: "
         "faster on a GPU, for as much more memory (0: one, and then as many as memory has room for)")
      ->capture_default_str()
      ->check(whole_number(0, 100000));
  add_seed_option(app, o.seed, "Seed of mask, noise and sampler");
}

void declare(CLI::App& app, Options& o, Raw& raw) {
  app.description(
      "Restores an image by diffusion posterior sampling, or by a classical method to compare with.\n" +
      describe_tasks() + "\n" + describe_methods() + "\n" + describe_samplers() + "\n" +
      describe_blind_tasks() + "\n" + describe_blind_methods());
  app.footer(
      "Examples:\n"
      "  tweedie-restore --task inpainting_random --drop 0.7 --input photo.png -o out\n"
      "  tweedie-restore --task gaussian_blur --input photo.jpg --weights ffhq.h5 --steps 100 -o out\n"
      "  tweedie-restore --task inpainting --mask holes.png --measurement damaged.png -o out\n"
      "  tweedie-restore --task_config gaussian_deblur_config.yaml --weights ffhq.h5 --input face.png -o "
      "out\n"
      "Pixels and sigma are in units of [-1, 1] images. Written: restored.png, measurement.png, "
      "measurement.h5 (exact,\n"
      "with operator and noise), comparison.png, report.json; with --samples N also each sample, their mean, "
      "their "
      "standard\n"
      "deviation as a heat map and, where the truth is known, how often it falls inside the samples' central "
      "50 and 90 %.");
  declare_measurement(app, o, raw);
  declare_method(app, o, raw);
  add_device_option(app, o.device);
  add_precision_option(app, o.precision);
  add_checkpoint_option(app, o.checkpoint);
  app.add_option("--gpu", raw.gpu, "Accepted as published command lines have it; see --device");
  app.add_option("-o,--output,--save_dir", o.output, "Folder for the results (made if missing)")->required();
  app.add_flag("--resume", o.resume, "Go on with the samples of an interrupted run in the same folder");
  app.add_flag(
      "--save-arrays", o.save_arrays,
      "Write restored.npy too, and sample_K.npy: float32, (channels, height, width), in units of [-1, "
      "1] images, not clipped");
  app.add_flag("--quiet", o.quiet, "No progress");
}

Levels parse_levels(const std::string& text) {
  const std::size_t colon = text.find(':');
  const auto black = parse_number(text.substr(0, colon));
  const auto white = parse_number(colon == text.npos ? "" : text.substr(colon + 1));
  require(black && white && *black != *white, "--black-white is '", text,
          "', expected BLACK:WHITE, two numbers that differ");
  return {*black, *white};
}

/// The options of a group that were stated.
Given given_of(const CLI::App& app, const std::map<std::string, std::string>& values) {
  Given given;
  for (const auto& [option, text] : values)
    if (app.count(option) > 0) given[option] = text;
  return given;
}

/// The operator is described in one place.
void require_one_description(const Given& given, const std::string& file) {
  for (const auto& [option, text] : given)
    throw Error(
        message(option, ": what was measured is said in ", file, "; leave it out, or change it there"));
}

/// What was measured: by name, or by a task file; and what the command line says of it.
void settle_task(const CLI::App& app, Options& o, const Raw& raw, const std::optional<TaskFile>& file) {
  Given settings = given_of(app, raw.settings), files = given_of(app, raw.files);
  const bool exact = is_measurement(o.measurement);
  if (file) require_one_description(settings, o.task_config);
  o.asked = file ? file->asked : Asked(find_task(o.task));
  if (exact) require_one_description(settings, o.measurement);
  for (const TaskOption& row : file_options())
    require(!exact || !files.contains(row.option) || row.option == "--operator-weights", row.option,
            ": it is in ", o.measurement, "; leave it out");
  require(!o.asked->op.kind->of_many || file || is_measurement(o.measurement), "task ", o.asked->name(),
          ": give its operators with --task-config, or a measurement.h5");
  o.asked->take_settings(settings);
  o.asked->take_files(files);
  o.asked->kernel_is_psf = raw.kernel_is == "psf";
  require(app.count("--kernel-is") == 0 || files.contains("--kernel"),
          "--kernel-is means nothing without --kernel");
  for (const std::string& set : raw.sets) {
    const std::size_t equals = set.find('=');
    require(equals != set.npos, "--set ", set, ": expected key=value");
    const std::string key = set.substr(0, equals);
    if (!o.asked->knows(key)) continue;  // the method's: see `settle_method`
    require(!exact && !file, "--set ", set, ": what was measured is said in ",
            exact ? o.measurement : o.task_config);
    require(!o.asked->states(key), "--set ", set, ": '", key, "' is stated twice");
    o.asked->set(key, set.substr(equals + 1));
  }
  for (const Setting& row : o.asked->read_by.rows())
    require(!o.asked->read_by.stated(row.name) || is_measured_array(o), option_of(row),
            " means nothing here: ",
            o.measurement.empty() ? "there is no measurement" : o.measurement + " is no plain array");
  for (const auto& [option, text] : given_of(app, raw.foreign)) {
    const ForeignRow* row = o.asked->op.kind->files;
    require(row && option == row->option && row->holds(o.measurement), option, " means nothing here: ",
            o.measurement.empty() ? "there is no measurement" : o.measurement + " is no file of that kind");
    static constexpr Setting which[] = {
        Setting::whole("index", 0, 0, 1 << 20, "which measurement of the file")};
    Settings index("measurement", which);
    index.parse("index", text, option);
    o.slice = index.integer("index");
  }
}

/// The priors of what is unknown besides the image.
void settle_unknowns(const CLI::App& app, Options& o, const Raw& raw) {
  const BlindRow* blind = o.asked->op.kind->blind;
  const auto take = [&](const UnknownOption& row, const std::string& option, const std::string& path,
                        std::map<std::string, std::string>& taken) {
    if (app.count(option) == 0) return;
    const bool has = blind && std::any_of(blind->unknowns.begin(), blind->unknowns.end(),
                                          [&](const char* each) { return row.unknown == each; });
    require(has, option, " means nothing to task ", o.asked->name(), ", only to ", of_tasks(row.tasks));
    taken[row.unknown] = path;
  };
  for (const UnknownOption& row : unknown_options()) {
    take(row, row.weights, raw.unknown_weights.at(row.unknown), o.unknown_weights);
    take(row, row.config, raw.unknown_configs.at(row.unknown), o.unknown_configs);
  }
}

/// The method by which a blind problem is solved where none is stated: with priors of its unknowns where they
/// are given.
std::string method_for_blind(const Options& o) {
  return o.unknown_weights.empty() ? fast_em_kind.name : blind_dps_kind.name;
}

/// What fits a blind problem is what is made for one.
void require_fitting(const Options& o, const MethodRow& method) {
  const bool blind = o.asked->op.kind->blind != nullptr;
  std::string known;
  for (const BlindKind* kind : blind_kinds())
    known += (known.empty() ? "" : " or ") + std::string(kind->name);
  require(!blind || method.blind, "task ", o.asked->name(), ": --method ", o.method,
          " supposes that only the image is unknown; expected ", known);
  require(blind || !method.blind, "task ", o.asked->name(), ": --method ", o.method,
          " is for blind tasks; here only the image is unknown");
}

/// The values of the method's settings. What a sampler or an estimate has no use for is refused.
void settle_method(const CLI::App& app, Options& o, const Raw& raw, const std::optional<TaskFile>& file,
                   const std::optional<DiffusionFile>& diffusion) {
  const MethodRow method = find_method(o.method);
  require_fitting(o, method);
  o.settings.emplace(message("--method ", o.method), method.settings());
  Settings& s = *o.settings;
  const auto from_file = [&](const std::string& path, const char* its_name, const char* key,
                             const SettingValue& value) {
    if (s.knows(key))
      s.set(key, value);
    else
      o.notes.push_back(
          message(path, ": ", its_name, " is not used: it means nothing to --method ", o.method));
  };
  // Of several unknowns only blind-dps takes step sizes, each its own.
  const bool has_zeta = !method.blind || (s.knows("zeta") && o.asked->op.kind->blind->unknowns.size() == 1);
  if (file && file->zeta && has_zeta) from_file(o.task_config, "scale", "zeta", *file->zeta);
  if (diffusion && diffusion->sampler)
    from_file(o.diffusion_config, "sampler", "sampler", *diffusion->sampler);
  if (diffusion && diffusion->variance)
    from_file(o.diffusion_config, "model_var_type", "variance", *diffusion->variance);
  if (diffusion && !diffusion->clip) from_file(o.diffusion_config, "clip_denoised", "no_clip", true);
  if (o.compat && s.knows("compat")) s.set("compat", true);
  if (file && method.blind) take_scales(s, *file, o.compat);
  std::set<std::string> said;  // by the command line, which wins over files
  for (const auto& [option, text] : given_of(app, raw.method)) {
    const auto row =
        std::find_if(s.rows().begin(), s.rows().end(),
                     [&, &given = option](const Setting& each) { return option_of(each) == given; });
    const std::vector<TaskOption> all = method_options();
    const auto use = std::find_if(all.begin(), all.end(), [&, &given = option](const TaskOption& each) {
      return each.option == given;
    });
    require(row != s.rows().end(), option, " means nothing to --method ", o.method, ", only to ",
            of_tasks(use->tasks));
    s.parse(row->name, text, option);
    said.insert(row->name);
  }
  for (const std::string& set : raw.sets) {
    const std::string key = set.substr(0, set.find('='));
    require(o.asked->knows(key) || s.knows(key), "--set ", set, ": neither task ", o.asked->name(),
            " nor --method ", o.method, " has a setting '", key, "'");
    if (o.asked->knows(key)) continue;
    require(said.insert(key).second, "--set ", set, ": '", key, "' is stated twice");
    s.parse(key, set.substr(key.size() + 1), message("--set ", key));
  }
  if (s.knows("sampler")) {
    SamplerChoice choice;
    choice.sampler = s.text("sampler");
    choice.parameterisation = s.text("parameterisation");
    choice.corrections = s.integer("corrections");
    require_of_use(app, choice);
    require_valid(sampler_options(choice, Variance::fixed_small));  // before anything is loaded
  }
  for (const char* option : {"--steps", "--samples", "--weights", "--prior", "--label", "--class-guidance",
                             "--model-config", "--diffusion-config", "--resume"})
    require(method.samples() || app.count(option) == 0, option, " means nothing to --method ", o.method,
            ", which draws no samples");
  require(method.solver || (method.estimate && method.estimate->restarts) || app.count("--restarts") == 0,
          "--restarts means nothing to --method ", o.method);
  require(method.solver || app.count("--batch") == 0, "--batch means nothing to --method ", o.method);
  require(!o.compat || o.batch == 1, "--batch: the published code (--compat) restores one image at a time");
  o.asked->prefer(method.prefers());
  const bool of_method = std::any_of(raw.sets.begin(), raw.sets.end(), [&](const std::string& set) {
    return !o.asked->knows(set.substr(0, set.find('=')));
  });
  o.method_stated = app.count("--method") > 0 || method.blind || (file && (file->method || file->zeta)) ||
                    diffusion || o.compat || of_method || !given_of(app, raw.method).empty();
}

void require_sense(const CLI::App& app, const Options& o) {
  require(!o.input.empty() || !o.measurement.empty(), "give an image with --input or a --measurement");
  require(app.count("--unit") == 0 || app.count("--sigma") > 0, "--unit means nothing without --sigma");
  require(!o.levels || !o.input.empty() || !(is_described(o) || is_measured_array(o)),
          "--black-white means nothing to ", o.measurement, ", which is no picture");
  if (!is_described(o)) noise_of(o, {});  // else once it is read
}

}  // namespace

Options read_options(CLI::App& app, int argc, const char* const* argv) {
  Options o;
  Raw raw;
  o.command.assign(argv, argv + argc);
  declare(app, o, raw);
  app.parse(argc, argv);
  std::optional<TaskFile> file;
  if (!o.task_config.empty()) {
    require(o.task.empty(), "give --task or --task-config, not both");
    file = read_task_file(o.task_config);
    if (file->method && app.count("--method") == 0) o.method = *file->method;
    o.file_noise = file->noise;
    o.notes = file->notes;
    if (file->noise && file->noise->compat) o.compat = true;
  }
  std::optional<DiffusionFile> diffusion;
  if (!o.diffusion_config.empty()) {
    diffusion = read_diffusion_file(o.diffusion_config);
    o.respacing = diffusion->respacing;
  }
  require(file || !o.task.empty(), "give a --task or a --task-config");
  if (app.count("--noise") > 0) o.noise = parse_noise_kind(raw.noise);
  if (app.count("--black-white") > 0) o.levels = parse_levels(raw.levels);
  settle_task(app, o, raw, file);
  settle_unknowns(app, o, raw);
  if (o.asked->op.kind->blind && app.count("--method") == 0 && o.method == "dps")
    o.method = file && file->method ? blind_dps_kind.name : method_for_blind(o);
  settle_method(app, o, raw, file, diffusion);
  require_sense(app, o);
  if (o.compat)
    for (const OperatorDescription* leaf : o.asked->op.leaves()) o.asked->prefer(leaf->kind->compat);
  return o;
}

}  // namespace tweedie
