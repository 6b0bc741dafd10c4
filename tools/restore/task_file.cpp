#include "tools/restore/task_file.hpp"

#include "tools/restore/json_settings.hpp"
#include "weights/unet_config.hpp"

namespace tweedie {
namespace {

using nlohmann::json;

/// [low, high] of a Python tuple.
std::pair<double, double> range(JsonSettings& s, const std::string& key, const std::string& path) {
  const json& list = s.list(key);
  require(list.size() == 2 && list[0].is_number() && list[1].is_number(), path, ": ", key, " is ",
          list.dump(), ", expected two numbers");
  return {list[0].get<double>(), list[1].get<double>()};
}

void apply_conditioning(Options& o, const json& table, const std::string& path) {
  JsonSettings s(table, path + ": conditioning");
  const std::string method = s.text("method");
  require(method != "vanilla", path, ": the method 'vanilla' samples the prior: use tweedie-sample");
  o.method = method == "ps" ? "dps" : method;
  if (!s.has("params")) return s.require_all_used();
  JsonSettings params(s.table("params"), path + ": conditioning: params");
  if (params.has("scale")) o.zeta = params.number("scale");
  require(o.zeta.value_or(0) >= 0, path, ": scale ", o.zeta.value_or(0), ", expected 0 or more");
  const int draws = params.integer("num_sampling", 5);
  require(draws == 5, path, ": num_sampling ", draws, " is not supported, only 5");
  params.require_all_used();
  s.require_all_used();
}

void apply_mask(MaskOptions& mask, const json& table, const std::string& path) {
  JsonSettings s(table, path + ": mask_opt");
  mask.kind = s.text("mask_type");
  require(mask.kind == "random" || mask.kind == "box" || mask.kind == "both" || mask.kind == "extreme", path,
          ": mask_type '", mask.kind, "'; expected random, box, both or extreme");
  if (s.has("mask_prob_range")) std::tie(mask.drop[0], mask.drop[1]) = range(s, "mask_prob_range", path);
  if (s.has("mask_len_range")) {
    const auto [low, high] = range(s, "mask_len_range", path);
    require(low >= 1 && high > low && high < 1 << 20, path, ": mask_len_range [", low, ", ", high,
            "]; expected 1 or more, and growing");
    mask.box[0] = int(low), mask.box[1] = int(high);
  }
  if (s.has("margin")) {
    const auto [rows, columns] = range(s, "margin", path);
    require(rows == columns && rows >= 0 && rows < 1 << 20, path, ": margin [", rows, ", ", columns,
            "]; expected two equal numbers of pixels");
    mask.margin = int(rows);
  }
  s.ignore("image_size");  // ours takes the image's
  s.require_all_used();
}

void apply_noise(Options& o, const json& table) {
  o.file_noise = parse_noise(table);
  if (o.file_noise->compat) o.compat = true;
}

}  // namespace

void apply_task_file(Options& o, const std::string& path) {
  const json file = read_config_file(path);
  JsonSettings s(file, path);
  if (s.has("conditioning")) apply_conditioning(o, s.table("conditioning"), path);
  s.ignore("data");
  JsonSettings measurement(s.table("measurement"), path + ": measurement");
  o.operation.settings = measurement.table("operator");
  if (measurement.has("mask_opt")) apply_mask(o.operation.mask, measurement.table("mask_opt"), path);
  if (measurement.has("noise")) apply_noise(o, measurement.table("noise"));
  measurement.require_all_used();
  s.require_all_used();
  require(o.operation.settings.contains("name") && o.operation.settings["name"].is_string(), path,
          ": the operator has no name");
  o.task = task_of_operator(o.operation.settings, o.operation.mask);
}

void apply_diffusion_file(Options& o, const std::string& path) {
  const json file = read_config_file(path);
  JsonSettings s(file, path);
  o.sampler.sampler = s.text("sampler", o.sampler.sampler);
  parse_method(o.sampler.sampler);
  if (s.has("timestep_respacing")) {
    const json& respacing = file.at("timestep_respacing");
    s.ignore("timestep_respacing");
    o.respacing = respacing.is_string() ? respacing.get<std::string>() : respacing.dump();
    if (s.has("steps") && o.respacing == file.at("steps").dump()) o.respacing.clear();
  }
  if (s.has("model_var_type")) {
    const std::string name = s.text("model_var_type");
    require(name == "learned_range" || name == "fixed_small" || name == "fixed_large", path,
            ": model_var_type '", name,
            "' is not supported; expected learned_range, fixed_small or fixed_large");
    o.variance = name == "learned_range" ? Variance::learned_range
                 : name == "fixed_small" ? Variance::fixed_small
                                         : Variance::fixed_large;
  }
  const std::string mean = s.text("model_mean_type", "epsilon");
  require(mean == "epsilon", path, ": model_mean_type '", mean, "' is not supported, only epsilon");
  require(!s.flag("dynamic_threshold", false), path, ": dynamic_threshold is not supported");
  o.sampler.no_clip = !s.flag("clip_denoised", true);
  for (const char* of_prior : {"steps", "noise_schedule", "rescale_timesteps"}) s.ignore(of_prior);
  s.require_all_used();
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
