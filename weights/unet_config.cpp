#include "weights/unet_config.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "kernels/error.hpp"
#include "weights/config_values.hpp"

namespace tweedie {

using nlohmann::json;

int UNetConfig::channels(int level) const {
  return static_cast<int>(channel_mult.at(static_cast<std::size_t>(level)) * model_channels);
}

bool UNetConfig::attention_at(int level) const {
  const int factor = 1 << level;
  return std::any_of(attention_resolutions.begin(), attention_resolutions.end(),
                     [&](int resolution) { return image_size / resolution == factor; });
}

int UNetConfig::heads(int channels, bool up) const {
  if (num_head_channels != -1) return channels / num_head_channels;
  return up && num_heads_upsample != -1 ? num_heads_upsample : num_heads;
}

namespace {

// The normalisation of every block has 32 groups.
constexpr int groups = 32;

void validate_heads(const UNetConfig& c, int channels, const std::string& where) {
  for (const bool up : {false, true}) {
    const int heads = c.heads(channels, up);
    const bool whole = heads > 0 && channels % heads == 0 &&
                       (c.num_head_channels == -1 || channels % c.num_head_channels == 0);
    require(whole, where, ": attention on ", channels, " channels cannot be split into heads (num_heads ",
            c.num_heads, ", num_head_channels ", c.num_head_channels, ", num_heads_upsample ",
            c.num_heads_upsample, ")");
  }
}

}  // namespace

void validate(const UNetConfig& c, const std::string& where) {
  const auto positive = [&](const char* key, int value) {
    require(value > 0, where, ": ", key, ": got ", value, ", expected a positive number");
  };
  positive("image_size", c.image_size);
  positive("in_channels", c.in_channels);
  positive("model_channels", c.model_channels);
  positive("out_channels", c.out_channels);
  positive("num_res_blocks", c.num_res_blocks);
  if (c.num_classes) positive("num_classes", *c.num_classes);
  for (const int resolution : c.attention_resolutions) positive("attention_resolutions", resolution);
  const auto head_setting = [&](const char* key, int value) {
    require(value > 0 || value == -1, where, ": ", key, ": got ", value,
            ", expected a positive number or -1");
  };
  positive("num_heads", c.num_heads);
  head_setting("num_head_channels", c.num_head_channels);
  head_setting("num_heads_upsample", c.num_heads_upsample);

  require(c.levels() >= 1 && c.levels() <= 16, where, ": channel_mult: got ", c.levels(),
          " levels, expected 1 to 16");
  for (int level = 0; level < c.levels(); ++level) {
    const double exact = c.channel_mult[static_cast<std::size_t>(level)] * c.model_channels;
    require(exact >= groups && exact <= 1e6 && c.channels(level) % groups == 0, where, ": level ", level,
            " has ", exact, " channels (model_channels ", c.model_channels,
            " times channel_mult), expected a multiple of ", groups);
    if (c.attention_at(level)) validate_heads(c, c.channels(level), where);
  }
  validate_heads(c, c.channels(c.levels() - 1), where);  // the middle block always attends
}

namespace {

using SetUNetField = void (*)(UNetConfig&, const ConfigValue&);

const std::map<std::string, SetUNetField>& unet_fields() {
  using C = UNetConfig;
  using V = ConfigValue;
  static const std::map<std::string, SetUNetField> fields = {
      {"image_size", [](C& c, const V& v) { c.image_size = v.as_int(); }},
      {"in_channels", [](C& c, const V& v) { c.in_channels = v.as_int(); }},
      {"model_channels", [](C& c, const V& v) { c.model_channels = v.as_int(); }},
      {"out_channels", [](C& c, const V& v) { c.out_channels = v.as_int(); }},
      {"num_res_blocks", [](C& c, const V& v) { c.num_res_blocks = v.as_int(); }},
      {"attention_resolutions",
       [](C& c, const V& v) { c.attention_resolutions = v.is_none() ? std::vector<int>{} : v.as_ints(); }},
      {"channel_mult", [](C& c, const V& v) { c.channel_mult = v.as_numbers(); }},
      {"num_classes",
       [](C& c, const V& v) { c.num_classes = v.is_none() ? std::nullopt : std::optional(v.as_int()); }},
      {"num_heads", [](C& c, const V& v) { c.num_heads = v.as_int(); }},
      {"num_head_channels", [](C& c, const V& v) { c.num_head_channels = v.as_int(); }},
      {"num_heads_upsample", [](C& c, const V& v) { c.num_heads_upsample = v.as_int(); }},
      {"use_scale_shift_norm", [](C& c, const V& v) { c.use_scale_shift_norm = v.as_bool(); }},
      {"resblock_updown", [](C& c, const V& v) { c.resblock_updown = v.as_bool(); }},
      {"use_new_attention_order", [](C& c, const V& v) { c.use_new_attention_order = v.as_bool(); }},
      {"conv_resample", [](C& c, const V& v) { c.conv_resample = v.as_bool(); }},
  };
  return fields;
}

std::string one_of(const ConfigValue& value, const std::vector<std::string>& allowed) {
  const std::string text = value.as_text();
  if (std::find(allowed.begin(), allowed.end(), text) != allowed.end()) return text;
  std::string expected = "one of";
  for (const std::string& name : allowed) expected += " " + name;
  value.refuse(expected);
}

// Sets a field of the diffusion; false when the key is not one of its.
bool set_diffusion_field(DiffusionConfig& d, const ConfigValue& value) {
  const std::string& key = value.key();
  if (key == "steps") {
    d.steps = value.as_int();
    if (d.steps < 1 || d.steps > 1000000) value.refuse("1 to 1000000");
  } else if (key == "noise_schedule") {
    d.noise_schedule = one_of(value, {"linear", "cosine"});
  } else if (key == "learn_sigma") {
    d.learn_sigma = value.as_bool();
  } else if (key == "rescale_timesteps") {
    d.rescale_timesteps = value.as_bool();
  } else if (key == "model_mean_type") {
    d.model_mean_type = one_of(value, {"epsilon", "start_x", "previous_x"});
  } else if (key == "model_var_type") {
    d.model_var_type = one_of(value, {"learned_range", "fixed_small", "fixed_large"});
  } else if (key == "label_dropout") {
    d.label_dropout = value.as_number();
    if (!(d.label_dropout >= 0 && d.label_dropout <= 1)) value.refuse("0 to 1");
  } else {
    return false;
  }
  return true;
}

void require_object(const json& object, const std::string& where) {
  require(object.is_object(), where, ": expected `key: value` pairs");
}

}  // namespace

UNetConfig parse_unet_config(const json& object, const std::string& where) {
  require_object(object, where);
  UNetConfig config;
  for (const auto& [key, value] : object.items()) {
    const auto field = unet_fields().find(key);
    require(field != unet_fields().end(), where, ": unknown key ", key, " in a U-Net configuration");
    field->second(config, ConfigValue(value, key, where));
  }
  validate(config, where);
  return config;
}

json to_json(const UNetConfig& c) {
  json mult = json::array();
  for (const double factor : c.channel_mult) {
    if (factor == std::floor(factor))
      mult.push_back(static_cast<int>(factor));
    else
      mult.push_back(factor);
  }
  return {{"image_size", c.image_size},
          {"in_channels", c.in_channels},
          {"model_channels", c.model_channels},
          {"out_channels", c.out_channels},
          {"num_res_blocks", c.num_res_blocks},
          {"attention_resolutions", c.attention_resolutions},
          {"channel_mult", mult},
          {"num_classes", c.num_classes ? json(*c.num_classes) : json(nullptr)},
          {"num_heads", c.num_heads},
          {"num_head_channels", c.num_head_channels},
          {"num_heads_upsample", c.num_heads_upsample},
          {"use_scale_shift_norm", c.use_scale_shift_norm},
          {"resblock_updown", c.resblock_updown},
          {"use_new_attention_order", c.use_new_attention_order},
          {"conv_resample", c.conv_resample}};
}

DiffusionConfig parse_diffusion_config(const json& object, const std::string& where) {
  require_object(object, where);
  DiffusionConfig config;
  for (const auto& [key, value] : object.items())
    require(set_diffusion_field(config, ConfigValue(value, key, where)), where, ": unknown key ", key,
            " in a diffusion configuration");
  return config;
}

json to_json(const DiffusionConfig& d) {
  json object = {{"steps", d.steps},
                 {"noise_schedule", d.noise_schedule},
                 {"learn_sigma", d.learn_sigma},
                 {"rescale_timesteps", d.rescale_timesteps},
                 {"model_mean_type", d.model_mean_type}};
  if (!d.model_var_type.empty()) object["model_var_type"] = d.model_var_type;
  if (d.label_dropout > 0) object["label_dropout"] = d.label_dropout;
  return object;
}

namespace {

// Settings of training or sampling that say nothing about the network.
const std::set<std::string> ignored_keys = {"dropout",
                                            "use_checkpoint",
                                            "use_fp16",
                                            "model_path",
                                            "timestep_respacing",
                                            "use_kl",
                                            "dynamic_threshold",
                                            "clip_denoised",
                                            "rescale_learned_sigmas",
                                            "sampler"};

// guided-diffusion's scripts derive an empty channel_mult from the image size.
std::vector<double> default_channel_mult(int image_size) {
  switch (image_size) {
    case 512:
      return {0.5, 1, 1, 2, 2, 4, 4};
    case 256:
      return {1, 1, 2, 2, 4, 4};
    case 128:
      return {1, 1, 2, 3, 4};
    case 64:
      return {1, 2, 3, 4};
    default:
      return {};
  }
}

// One key of the scripts' dialect that is not a field's own name; false when it is none of them.
bool set_script_key(ModelSettings& s, const ConfigValue& value) {
  const std::string& key = value.key();
  if (key == "num_channels") {
    s.unet.model_channels = value.as_int();
    s.stated.insert("model_channels");
  } else if (key == "class_cond") {
    s.unet.num_classes = value.as_bool() ? std::optional(1000) : std::nullopt;
    s.stated.insert("num_classes");
  } else if (key == "diffusion_steps") {
    set_diffusion_field(s.diffusion, ConfigValue(json(value.as_int()), "steps", s.origin));
    s.stated.insert("steps");
  } else if (key == "predict_xstart") {
    s.diffusion.model_mean_type = value.as_bool() ? "start_x" : "epsilon";
    s.stated.insert("model_mean_type");
  } else if (key == "dims") {
    if (value.as_int() != 2) value.refuse("2");
  } else if (key == "grayscale" || key == "twochan") {  // the BlindDPS repository's: kernels and tilts
    if (!value.as_bool()) return true;
    s.unet.in_channels = key == "grayscale" ? 1 : 2;
    s.stated.insert("in_channels");
  } else if (key == "sigma_small") {
    s.fixed_variance = value.as_bool() ? "fixed_small" : "fixed_large";
  } else {
    if (!ignored_keys.contains(key)) return false;
    s.ignored.push_back(key);
  }
  return true;
}

// guided-diffusion's scripts say sigma_small, which counts where the variance is not learned; DPS's files say
// model_var_type.
void require_one_variance(const ModelSettings& s) {
  const std::string& stated = s.diffusion.model_var_type;
  require(
      s.fixed_variance.empty() || stated.empty() || stated == "learned_range" || stated == s.fixed_variance,
      s.origin, ": sigma_small means ", s.fixed_variance, ", but model_var_type is ", stated);
}

}  // namespace

ModelSettings parse_model_settings(const json& object, const std::string& origin) {
  require_object(object, origin);
  ModelSettings s;
  s.origin = origin;
  for (const auto& [key, json_value] : object.items()) {
    const ConfigValue value(json_value, key, origin);
    if (key == "channel_mult" && value.is_none()) continue;  // derived below
    if (const auto field = unet_fields().find(key); field != unet_fields().end())
      field->second(s.unet, value);
    else if (!set_diffusion_field(s.diffusion, value)) {
      require(set_script_key(s, value), origin, ": unknown key ", key);
      continue;
    }
    s.stated.insert(key);
  }
  require_one_variance(s);
  if (object.contains("channel_mult") && !s.stated.contains("channel_mult")) {
    const std::vector<double> mult = default_channel_mult(s.unet.image_size);
    if (s.stated.contains("image_size") && !mult.empty()) {
      s.unet.channel_mult = mult;
      s.stated.insert("channel_mult");
    }
  }
  if (s.stated.contains("learn_sigma") && !s.stated.contains("out_channels"))
    s.unet.out_channels = (s.diffusion.learn_sigma ? 2 : 1) * s.unet.in_channels;
  return s;
}

}  // namespace tweedie
