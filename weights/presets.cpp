// Configurations as published with the weights: guided-diffusion's README (OpenAI, 2021) and DPS's
// model_config.yaml (Chung et al. 2023).
#include "kernels/error.hpp"
#include "weights/unet_config.hpp"

namespace tweedie {

namespace {

struct Preset {
  const char* name;
  UNetConfig unet;
  const char* noise_schedule;
};

// All published networks use attention at fixed sides, scale-shift normalisation and residual resampling,
// and learn the variance.
UNetConfig published(int image_size, int model_channels, int num_res_blocks, std::vector<double> channel_mult,
                     std::optional<int> num_classes) {
  UNetConfig c;
  c.image_size = image_size;
  c.model_channels = model_channels;
  c.out_channels = 6;
  c.num_res_blocks = num_res_blocks;
  c.attention_resolutions = {32, 16, 8};
  c.channel_mult = std::move(channel_mult);
  c.num_classes = num_classes;
  c.num_heads = 4;  // as the scripts' default; of no effect beside num_head_channels
  c.num_head_channels = 64;
  c.use_scale_shift_norm = true;
  c.resblock_updown = true;
  return c;
}

std::vector<Preset> presets() {
  const std::vector<double> mult256 = {1, 1, 2, 2, 4, 4};
  UNetConfig ffhq256 = published(256, 128, 1, mult256, std::nullopt);
  ffhq256.attention_resolutions = {16};
  UNetConfig imagenet64 = published(64, 192, 3, {1, 2, 3, 4}, 1000);
  imagenet64.use_new_attention_order = true;
  UNetConfig imagenet128 = published(128, 256, 2, {1, 1, 2, 3, 4}, 1000);
  imagenet128.num_head_channels = -1;  // four heads everywhere
  return {{"ffhq256", ffhq256, "linear"},
          {"imagenet256", published(256, 256, 2, mult256, std::nullopt), "linear"},
          {"imagenet64-cond", imagenet64, "cosine"},
          {"imagenet128-cond", imagenet128, "linear"},
          {"imagenet256-cond", published(256, 256, 2, mult256, 1000), "linear"},
          {"imagenet512-cond", published(512, 256, 2, {0.5, 1, 1, 2, 2, 4, 4}, 1000), "linear"},
          {"lsun256", published(256, 256, 2, mult256, std::nullopt), "linear"}};
}

}  // namespace

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const Preset& p : presets()) names.emplace_back(p.name);
  return names;
}

ModelSettings preset(const std::string& name) {
  for (const Preset& p : presets()) {
    if (name != p.name) continue;
    ModelSettings s;
    s.origin = "preset " + name;
    s.unet = p.unet;
    s.diffusion.noise_schedule = p.noise_schedule;
    s.diffusion.learn_sigma = true;
    s.diffusion.model_var_type = "learned_range";
    for (const nlohmann::json& fields : {to_json(s.unet), to_json(s.diffusion)})
      for (const auto& item : fields.items()) s.stated.insert(item.key());
    return s;
  }
  std::string known;
  for (const std::string& other : preset_names()) known += (known.empty() ? "" : ", ") + other;
  throw Error(message("unknown preset ", name, "; known are ", known));
}

}  // namespace tweedie
