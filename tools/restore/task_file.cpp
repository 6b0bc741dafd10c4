#include "tools/restore/task_file.hpp"

#include "weights/config_values.hpp"
#include "weights/settings_json.hpp"
#include "weights/unet_config.hpp"
#include "weights/with_where.hpp"

namespace tweedie {
namespace {

using nlohmann::json;

/// Errors: a member that is not among these.
void require_only(const json& table, const std::string& what, std::initializer_list<std::string_view> known) {
  settings_from_json(table, what, {}, std::span(known.begin(), known.size()));
}

bool states(const json& table, const char* key) { return table.contains(key); }

/// The two numbers of a Python tuple.
std::pair<double, double> range(const json& table, const char* key, const std::string& what) {
  const json& list = list_member(table, key, what);
  require(list.size() == 2 && list[0].is_number() && list[1].is_number(), what, ": ", key, " is ",
          list.dump(), ", expected two numbers");
  return {list[0].get<double>(), list[1].get<double>()};
}

/// A whole number of a tuple, as Python writes pixels.
std::int64_t pixels(double v, const char* key, const std::string& what) {
  require(v >= 0 && v < 1 << 20 && v == double(std::int64_t(v)), what, ": ", key, " holds ", v,
          "; expected a whole number from 0 to ", (1 << 20) - 1);
  return std::int64_t(v);
}

/// Step sizes of a blind problem: one for all, or {img: , kernel: , tilt: }. Returns what is left to read.
json read_scales(TaskFile& file, json params, const std::string& what) {
  static constexpr Setting rows[] = {
      Setting::number("img", Setting::none, 0, Setting::unbounded, "step size"),
      Setting::number("kernel", Setting::none, 0, Setting::unbounded, ""),
      Setting::number("tilt", Setting::none, 0, Setting::unbounded, "")};
  if (states(params, "scale") && params["scale"].is_object()) {
    const Settings s = settings_from_json(params["scale"], what + ": scale", rows);
    for (const Setting& row : rows)
      if (s.stated(row.name)) file.scales[row.name == rows[0].name ? "image" : row.name] = s.number(row.name);
    params.erase("scale");
  }
  if (states(params, "scale_rule")) {
    file.scale_rule = text_member(params, "scale_rule", what);
    params.erase("scale_rule");
  }
  return params;
}

void read_conditioning(TaskFile& file, const json& table, const std::string& what) {
  static constexpr Setting rows[] = {
      Setting::number("scale", Setting::none, 0, Setting::unbounded, "step size"),
      Setting::whole("num_sampling", 5, 5, 5, "draws of ps+"),
  };
  require_only(table, what, {"method", "params"});
  const std::string method = text_member(table, "method", what);
  require(method != "vanilla", what, ": the method 'vanilla' samples the prior: use tweedie-sample");
  file.method = method == "ps" ? "dps" : method;
  if (!states(table, "params")) return;
  json stated = table_member(table, "params", what);
  if (file.asked.op.kind->blind) stated = read_scales(file, std::move(stated), what + ": params");
  const Settings params = settings_from_json(stated, what + ": params", rows);
  if (params.stated("scale")) file.zeta = params.number("scale");
}

/// The way to draw a mask that a file calls by this name.
const DrawRow& find_draw(const OperatorDescription& op, const std::string& name, const std::string& what) {
  std::string known;
  for (const OperatorDescription* leaf : op.leaves())
    for (const DrawRow& row : leaf->kind->draws) {
      if (name == row.name) return row;
      known += (known.empty() ? "" : ", ") + std::string(row.name);
    }
  throw Error(message(what, ": mask_type '", name, "'; expected one of ", known.empty() ? "none" : known));
}

void read_mask(Asked& asked, const json& table, const std::string& what, std::vector<std::string>& notes) {
  require_only(table, what, {"mask_type", "mask_prob_range", "mask_len_range", "margin", "image_size"});
  Settings& s = asked.drawn_by;
  const auto unused = [&](const char* key, const std::string& why) {
    if (states(table, key)) notes.push_back(message(what, ": ", key, " is not used: ", why));
  };
  const std::string no_use = message("it means nothing to mask_type '", asked.draw->name, "'");
  if (!s.knows("drop")) unused("mask_prob_range", no_use);
  if (!s.knows("box")) unused("mask_len_range", no_use);
  if (!s.knows("margin")) unused("margin", no_use);
  unused("image_size", "a mask has the size of the picture");
  if (states(table, "mask_prob_range")) {
    const auto [low, high] = range(table, "mask_prob_range", what);
    if (s.knows("drop")) s.set("drop", low), s.set("drop_to", high);
  }
  if (states(table, "mask_len_range")) {
    const auto [low, high] = range(table, "mask_len_range", what);
    require(low >= 1 && high > low, what, ": mask_len_range [", low, ", ", high,
            "]; expected 1 or more, and growing");
    if (s.knows("box")) {
      s.set("box", pixels(low, "mask_len_range", what));
      s.set("box_end", pixels(high, "mask_len_range", what));
    }
  }
  if (states(table, "margin")) {
    const auto [rows, columns] = range(table, "margin", what);
    require(rows == columns, what, ": margin [", rows, ", ", columns,
            "]; expected two equal numbers of pixels");
    if (s.knows("margin")) s.set("margin", pixels(rows, "margin", what));
  }
}

constexpr std::string_view beside_blind[] = {"kernel", "kernel_size", "intensity"};

/// Settings of a blind problem's operator that stand at the top of the file.
void read_beside(OperatorDescription& op, const json& table, const std::string& path) {
  if (!op.kind->blind) return;
  json beside = json::object();
  for (const std::string_view key : beside_blind)
    if (table.contains(key)) beside[std::string(key)] = table.at(std::string(key));
  const Settings stated = settings_from_json(beside, path, op.kind->settings);
  for (const std::string_view key : beside_blind)
    if (stated.stated(key) && !op.settings.stated(key)) op.settings.set(key, *stated.value(key));
}

}  // namespace

TaskFile read_task_file(const std::string& path) {
  const json table = read_stated_file(path);
  const std::string what = path + ": measurement";
  const json& measurement = table_member(table, "measurement", path);
  const json& op = table_member(measurement, "operator", what);
  require(op.contains("name") && op["name"].is_string(), path, ": the operator has no name");
  OperatorDescription description = with_where(path, [&] { return describe_operator(op); });
  const bool masks = states(measurement, "mask_opt");
  const json mask = masks ? table_member(measurement, "mask_opt", what) : json::object();
  const DrawRow* draw =
      masks ? &find_draw(description, text_member(mask, "mask_type", what + ": mask_opt"), what) : nullptr;
  read_beside(description, table, path);
  const bool blind = description.kind->blind != nullptr;
  TaskFile file{Asked(std::move(description), draw), {}, {}, {}, {}, {}, {}};
  if (masks) read_mask(file.asked, mask, what + ": mask_opt", file.notes);
  if (states(measurement, "noise"))
    file.noise = with_where(path, [&] { return parse_noise(table_member(measurement, "noise", what)); });
  require_only(measurement, what, {"operator", "mask_opt", "noise"});
  if (states(table, "conditioning"))
    read_conditioning(file, table_member(table, "conditioning", path), path + ": conditioning");
  if (blind)
    require_only(table, path, {"conditioning", "data", "measurement", "kernel", "kernel_size", "intensity"});
  else
    require_only(table, path, {"conditioning", "data", "measurement"});
  if (states(table, "data")) {
    table_member(table, "data", path);
    file.notes.push_back(path + ": data is not used: pictures come by --input");
  }
  return file;
}

void take_scales(Settings& s, const TaskFile& file, bool compat) {
  const std::string key = "scale_";
  for (const std::string unknown : {"image", "kernel", "tilt"})
    if (file.zeta && !compat && s.knows(key + unknown)) s.set(key + unknown, *file.zeta);
  if (file.zeta && !compat && s.knows("scale_rule")) s.set("scale_rule", std::string("constant"));
  for (const auto& [unknown, scale] : file.scales)
    if (s.knows(key + unknown)) s.set(key + unknown, scale);
  if (file.scale_rule && s.knows("scale_rule")) s.set("scale_rule", *file.scale_rule);
}

DiffusionFile read_diffusion_file(const std::string& path) {
  static constexpr Setting rows[] = {
      Setting::text("sampler", nullptr, "ddpm, ddim, sde, ode, pc, langevin, dpmpp2, dpmpp3, blind_dps", ""),
      Setting::text("model_var_type", nullptr, "learned_range, fixed_small, fixed_large", ""),
      Setting::text("model_mean_type", "epsilon", "epsilon", ""),
      Setting::flag("dynamic_threshold", ""),
      {"clip_denoised", "", Setting::Kind::flag, 1},
  };
  static constexpr std::string_view besides[] = {"timestep_respacing", "steps", "noise_schedule",
                                                 "rescale_timesteps"};
  const json table = read_stated_file(path);
  const Settings s = settings_from_json(table, path, rows, besides);
  DiffusionFile file;
  if (s.stated("sampler")) file.sampler = s.text("sampler");
  if (states(table, "timestep_respacing")) {
    const json& respacing = table.at("timestep_respacing");
    file.respacing = respacing.is_string() ? respacing.get<std::string>() : respacing.dump();
    if (states(table, "steps") && file.respacing == table.at("steps").dump()) file.respacing.clear();
  }
  if (s.stated("model_var_type")) file.variance = s.text("model_var_type");
  require(!s.flag("dynamic_threshold"), path, ": dynamic_threshold is not supported");
  file.clip = s.flag("clip_denoised");
  return file;
}

void check_diffusion_file(const std::string& path, const DiffusionConfig& trained) {
  const json file = read_config_file(path), ours = to_json(trained);
  for (const char* key : {"steps", "noise_schedule", "rescale_timesteps"})
    require(!file.contains(key) || file[key] == ours.at(key), path, ": ", key, " ", file[key].dump(),
            ", the prior was trained with ", ours.at(key).dump());
}

void check_model_file(const std::string& path, const LoadedNetwork& network, const std::string& weights) {
  const ModelSettings stated = parse_model_settings(read_config_file(path), path);
  json theirs = to_json(stated.unet), ours = to_json(network.unet->config());
  theirs.update(to_json(stated.diffusion));
  ours.update(to_json(network.diffusion));
  for (const std::string& key : stated.stated) {
    // The number of heads says nothing where the channels of one do.
    if (key == "num_heads" && network.unet->config().num_head_channels != -1) continue;
    if (!theirs.contains(key) || !ours.contains(key)) continue;
    require(theirs[key] == ours[key], path, ": ", key, " ", theirs[key].dump(), ", the weights ", weights,
            " have ", ours[key].dump());
  }
}

}  // namespace tweedie
