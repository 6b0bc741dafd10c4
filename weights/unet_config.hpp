// Configuration of a guided-diffusion U-Net and of the diffusion it was trained for: fields, JSON, presets.
// Field names, meanings and defaults are those of guided-diffusion's UNetModel (Dhariwal and Nichol 2021).
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tweedie {

/// A guided-diffusion U-Net. Level l works at image_size / 2^l and has `channels(l)` channels.
struct UNetConfig {
  int image_size = 64;  ///< side of the training images; attention_resolutions refer to it
  int in_channels = 3;
  int model_channels = 128;
  int out_channels = 3;    ///< 2 * in_channels when the variance is learned
  int num_res_blocks = 2;  ///< residual blocks per level (one more on the way up)
  std::vector<int> attention_resolutions = {16,
                                            8};  ///< sides of the feature maps with attention, at image_size
  std::vector<double> channel_mult = {1, 2, 3, 4};  ///< one factor per level
  std::optional<int> num_classes;                   ///< set when class-conditional
  int num_heads = 1;                                ///< used where num_head_channels is -1
  int num_head_channels = -1;                       ///< channels per head; wins over the number of heads
  int num_heads_upsample = -1;                      ///< heads on the way up; -1: as num_heads
  bool use_scale_shift_norm = false;
  bool resblock_updown = false;  ///< residual blocks (true) or plain convolutions change the resolution
  bool use_new_attention_order = false;  ///< qkv split before (true) or after the split into heads
  bool conv_resample = true;             ///< learned convolutions beside average / nearest resampling

  /// Number of resolutions.
  int levels() const { return static_cast<int>(channel_mult.size()); }
  /// Channels at level l: int(channel_mult[l] * model_channels).
  int channels(int level) const;
  /// Whether the residual blocks of level l are followed by attention.
  bool attention_at(int level) const;
  /// Attention heads for a number of channels; `up` on the way up (output blocks).
  int heads(int channels, bool up) const;
  /// Whether the network also predicts the variance (learned range): out_channels is 2 * in_channels.
  bool learn_sigma() const { return out_channels == 2 * in_channels; }

  bool operator==(const UNetConfig&) const = default;
};

/// The diffusion process a network was trained for.
struct DiffusionConfig {
  int steps = 1000;
  std::string noise_schedule = "linear";  ///< "linear" or "cosine"
  bool learn_sigma = false;
  bool rescale_timesteps = false;
  std::string model_mean_type = "epsilon";  ///< what the network predicts: "epsilon", "start_x", "previous_x"
  /// Variance of its sampling steps: "learned_range", "fixed_small" or "fixed_large"; "" where nobody said.
  std::string model_var_type = "";
  /// Share of the training samples whose class it was not told, so that it can be guided away from them
  /// (`ClassGuidance`); 0: none, or nobody said.
  double label_dropout = 0;

  bool operator==(const DiffusionConfig&) const = default;
};

/// Checks that the fields make a network; throws `Error` naming the first that does not. `where` begins the
/// message.
void validate(const UNetConfig& config, const std::string& where);

/// The configuration stored in a weight file or a reference file: an object with UNetModel's keys, missing
/// ones at their defaults. Throws `Error` on an unknown key or a value of the wrong kind.
UNetConfig parse_unet_config(const nlohmann::json& json, const std::string& where);
nlohmann::json to_json(const UNetConfig& config);

/// As `parse_unet_config`, for the `diffusion` attribute.
DiffusionConfig parse_diffusion_config(const nlohmann::json& json, const std::string& where);
nlohmann::json to_json(const DiffusionConfig& config);

/// What a user states about a checkpoint, by a file or a preset: a configuration, and which of its fields are
/// stated rather than defaults ("channel_mult", "num_heads", "steps", ...).
struct ModelSettings {
  UNetConfig unet;
  DiffusionConfig diffusion;
  std::set<std::string> stated;
  std::string origin;                     ///< for messages: "model_config.yaml" or "preset ffhq256"
  std::string fixed_variance = {};        ///< what sigma_small says: "fixed_small", "fixed_large", or ""
  std::vector<std::string> ignored = {};  ///< keys that were read and are of no effect on a weight file
};

/// Reads settings in any of the dialects in use: UNetModel's keys, those of guided-diffusion's scripts and of
/// DPS's model_config.yaml (num_channels, class_cond, learn_sigma, channel_mult "" or "1,2,4", ...). Keys
/// that only matter for training or sampling (dropout, use_fp16, use_checkpoint, model_path, ...) are
/// listed in `ignored`; any other unknown key is an `Error` that names it. sigma_small says model_var_type.
ModelSettings parse_model_settings(const nlohmann::json& json, const std::string& origin);

/// The lines of a configuration file, from 1, at which its keys and items stand, by their JSON pointers.
using ConfigLines = std::map<std::string, int>;

/// Reads a YAML or JSON file into JSON, all of it: throws `Error` with the line of a syntax error, a key
/// given twice, a second document, a tag or a merge that would change what is read. `lines`, where it is
/// given, tells where everything stands.
nlohmann::json read_config_file(const std::string& path, ConfigLines* lines = nullptr);

/// Names of the published configurations, in the order to show them.
std::vector<std::string> preset_names();

/// A published configuration; throws `Error` listing the names when there is none of that name.
ModelSettings preset(const std::string& name);

}  // namespace tweedie
