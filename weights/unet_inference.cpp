#include "weights/unet_inference.hpp"

#include <algorithm>

#include "kernels/error.hpp"

namespace tweedie {

bool looks_like_unet(const TensorShapes& shapes) {
  return shapes.contains("time_embed.0.weight") && shapes.contains("input_blocks.0.0.weight") &&
         shapes.contains("out.2.weight");
}

namespace {

// What tensors determine of a U-Net.
struct Evidence {
  UNetConfig config;            ///< image_size, attention_resolutions and heads are not filled in
  std::vector<bool> attention;  ///< per level
};

class Inspector {
 public:
  Inspector(const TensorShapes& shapes, const std::string& where) : shapes_(shapes), where_(where) {}

  Evidence inspect();

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(message(where_, ": not a guided-diffusion U-Net: ", what));
  }

  bool has(const std::string& name) const { return shapes_.contains(name); }

  int extent(const std::string& name, std::size_t rank, std::size_t axis) const {
    const auto found = shapes_.find(name);
    if (found == shapes_.end()) refuse("there is no tensor " + name);
    const Extents& extents = found->second;
    if (extents.size() != rank || extents[axis] < 1 || extents[axis] > 1000000)
      refuse(message(name, " has shape ", to_string(extents), ", expected ", rank, " dimensions"));
    return static_cast<int>(extents[axis]);
  }

  // Number of blocks: one more than the largest number that follows a prefix such as "output_blocks.".
  int count(const std::string& prefix) const {
    int highest = -1;
    for (auto at = shapes_.lower_bound(prefix); at != shapes_.end() && at->first.starts_with(prefix); ++at) {
      const std::string digits =
          at->first.substr(prefix.size(), at->first.find('.', prefix.size()) - prefix.size());
      const bool number =
          !digits.empty() && digits.size() <= 4 &&
          std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (!number) refuse("unexpected tensor " + at->first);
      highest = std::max(highest, std::stoi(digits));
    }
    return highest + 1;
  }

  void find_levels(Evidence& e);
  void find_channels(Evidence& e) const;
  void find_attention(Evidence& e) const;

  static std::string block(const char* side, int index) { return side + std::to_string(index) + "."; }

  const TensorShapes& shapes_;
  const std::string& where_;
  int levels_ = 0;
  int per_level_ = 0;  ///< blocks of a level on the way up: num_res_blocks + 1
};

// The block that goes down from one level to the next, on the way down, is either a residual block, or
// "op" with a convolution, or an average with no tensors at all. The first one ends the first level.
void Inspector::find_levels(Evidence& e) {
  const int blocks = count("output_blocks.");
  if (blocks < 2) refuse("there are no tensors output_blocks.1.*");
  int first_up = blocks;  // the first output block that goes up ends the deepest level
  for (int i = 0; i < blocks && first_up == blocks; ++i) {
    for (const char* sub : {"1.", "2."}) {
      const std::string name = block("output_blocks.", i) + sub;
      if (has(name + "in_layers.2.weight")) {
        e.config.resblock_updown = true;
        first_up = i;
      } else if (has(name + "conv.weight")) {
        first_up = i;
      }
    }
  }
  if (first_up == blocks) {  // one level, or resampling without tensors: a gap among the input blocks
    const int inputs = count("input_blocks.");
    for (int i = 1; i < inputs && first_up == blocks; ++i)
      if (!has(block("input_blocks.", i) + "0.in_layers.2.weight")) first_up = i - 1;
    e.config.conv_resample = first_up == blocks;
  }
  per_level_ = first_up == blocks ? blocks : first_up + 1;
  if (per_level_ < 2 || blocks % per_level_ != 0)
    refuse(message(blocks, " output blocks do not divide into levels of ", per_level_));
  levels_ = blocks / per_level_;
  if (count("input_blocks.") != blocks)
    refuse(message(count("input_blocks."), " input blocks and ", blocks, " output blocks, expected as many"));
  e.config.num_res_blocks = per_level_ - 1;
}

void Inspector::find_channels(Evidence& e) const {
  UNetConfig& c = e.config;
  c.channel_mult.clear();
  for (int level = 0; level < levels_; ++level) {
    const std::string first = block("input_blocks.", level * per_level_ + 1) + "0.";
    const int channels = extent(first + "out_layers.3.weight", 4, 0);
    c.channel_mult.push_back(static_cast<double>(channels) / c.model_channels);
    const int embedding = extent(first + "emb_layers.1.weight", 2, 0);
    if (level == 0) c.use_scale_shift_norm = embedding == 2 * channels;
    const int expected = (c.use_scale_shift_norm ? 2 : 1) * channels;
    if (embedding != expected)
      refuse(message(first, "emb_layers.1.weight has ", embedding, " rows, expected ", expected));
  }
  const int stem = extent("input_blocks.0.0.weight", 4, 0);
  if (stem != c.channels(0))
    refuse(message("input_blocks.0.0.weight has ", stem, " rows, expected ", c.channels(0),
                   " as in input_blocks.1"));
}

// Attention follows every residual block of a level, or none.
void Inspector::find_attention(Evidence& e) const {
  for (int level = 0; level < levels_; ++level) {
    const std::string first = block("input_blocks.", level * per_level_ + 1) + "1.qkv.weight";
    const bool attention = has(first);
    e.attention.push_back(attention);
    for (int i = 0; i < per_level_; ++i) {
      const std::string up = block("output_blocks.", (levels_ - 1 - level) * per_level_ + i) + "1.qkv.weight";
      std::string down = block("input_blocks.", level * per_level_ + 1 + i) + "1.qkv.weight";
      if (i == per_level_ - 1) down = first;  // the last is the one that goes down, without attention
      for (const std::string& name : {down, up})
        if (has(name) != attention)
          refuse(message("level ", level, " has ", attention ? "" : "no ", first, " but ",
                         attention ? "no " : "", name));
    }
  }
  extent("middle_block.1.qkv.weight", 3, 0);
}

Evidence Inspector::inspect() {
  Evidence e;
  UNetConfig& c = e.config;
  c.model_channels = extent("time_embed.0.weight", 2, 1);
  c.in_channels = extent("input_blocks.0.0.weight", 4, 1);
  c.out_channels = extent("out.2.weight", 4, 0);
  if (has("label_emb.weight")) c.num_classes = extent("label_emb.weight", 2, 0);
  find_levels(e);
  find_channels(e);
  find_attention(e);
  return e;
}

// Reports the first stated setting that the tensors contradict.
class Contradictions {
 public:
  Contradictions(const ModelSettings& settings, const std::string& where)
      : settings_(settings), where_(where) {}

  template <class Field>
  void hold(const char* key, Field UNetConfig::*field, const UNetConfig& found, const char* tensor) const {
    if (!settings_.stated.contains(key) || settings_.unet.*field == found.*field) return;
    refuse(key, to_json(settings_.unet).at(key).dump(), to_json(found).at(key).dump(), tensor);
  }

  [[noreturn]] void refuse(const std::string& key, const std::string& stated, const std::string& found,
                           const std::string& tensor) const {
    throw Error(message(settings_.origin, ": ", key, " is ", stated, ", but ", where_, " has ", found,
                        " (by ", tensor, ")"));
  }

 private:
  const ModelSettings& settings_;
  const std::string& where_;
};

std::string levels_text(const std::vector<bool>& attention) {
  std::string text;
  for (std::size_t level = 0; level < attention.size(); ++level)
    if (attention[level]) text += (text.empty() ? "" : ", ") + std::to_string(level);
  return text.empty() ? "at no level" : "at level " + text;
}

void hold_against_tensors(const ModelSettings& settings, const Evidence& e, const std::string& where) {
  const Contradictions c(settings, where);
  const UNetConfig& found = e.config;
  c.hold("model_channels", &UNetConfig::model_channels, found, "time_embed.0.weight");
  c.hold("in_channels", &UNetConfig::in_channels, found, "input_blocks.0.0.weight");
  c.hold("out_channels", &UNetConfig::out_channels, found, "out.2.weight");
  c.hold("num_classes", &UNetConfig::num_classes, found, "label_emb.weight");
  c.hold("num_res_blocks", &UNetConfig::num_res_blocks, found, "the blocks of output_blocks");
  c.hold("channel_mult", &UNetConfig::channel_mult, found, "the shapes of input_blocks");
  c.hold("use_scale_shift_norm", &UNetConfig::use_scale_shift_norm, found,
         "input_blocks.1.0.emb_layers.1.weight");
  if (found.levels() > 1) {  // one level resamples nowhere
    c.hold("resblock_updown", &UNetConfig::resblock_updown, found, "the tensors that change the resolution");
    if (!found.resblock_updown)
      c.hold("conv_resample", &UNetConfig::conv_resample, found, "the tensors that change the resolution");
  }
  if (settings.stated.contains("learn_sigma") && settings.diffusion.learn_sigma != found.learn_sigma())
    c.refuse("learn_sigma", settings.diffusion.learn_sigma ? "true" : "false",
             message(found.in_channels, " input and ", found.out_channels, " output channels"),
             "out.2.weight");
}

// The settings that leave no trace in the tensors, and are needed.
void require_determined(const std::optional<ModelSettings>& settings, const std::string& where) {
  const auto stated = [&](const char* key) { return settings && settings->stated.contains(key); };
  std::string missing;
  const auto miss = [&](const char* what) { missing += (missing.empty() ? "" : ", ") + std::string(what); };
  if (!stated("image_size")) miss("image_size");
  if (!stated("num_heads") && !stated("num_head_channels")) miss("num_heads or num_head_channels");
  if (!settings) miss("use_new_attention_order");
  require(missing.empty(),
          settings ? settings->origin + ": not stated" : where + ": its tensors do not determine", ": ",
          missing, "; give ", settings ? "them" : "--preset NAME or --config FILE");
}

}  // namespace

UNetConfig resolve_unet_config(const TensorShapes& shapes, const std::optional<ModelSettings>& settings,
                               const std::string& where) {
  const Evidence evidence = Inspector(shapes, where).inspect();
  if (settings) hold_against_tensors(*settings, evidence, where);
  require_determined(settings, where);

  UNetConfig config = evidence.config;
  config.image_size = settings->unet.image_size;
  config.num_heads = settings->unet.num_heads;
  config.num_head_channels = settings->unet.num_head_channels;
  config.num_heads_upsample = settings->unet.num_heads_upsample;
  config.use_new_attention_order = settings->unet.use_new_attention_order;
  config.attention_resolutions = settings->unet.attention_resolutions;
  if (!settings->stated.contains("attention_resolutions")) {
    config.attention_resolutions.clear();
    for (int level = config.levels() - 1; level >= 0; --level)
      if (evidence.attention[static_cast<std::size_t>(level)])
        config.attention_resolutions.push_back(config.image_size >> level);
  }
  validate(config, settings->origin);
  std::vector<bool> attention;
  for (int level = 0; level < config.levels(); ++level) attention.push_back(config.attention_at(level));
  if (attention != evidence.attention)
    Contradictions(*settings, where)
        .refuse("attention_resolutions (with image_size " + std::to_string(config.image_size) + ")",
                levels_text(attention), levels_text(evidence.attention), "its qkv tensors");
  return config;
}

DiffusionConfig resolve_diffusion_config(const UNetConfig& unet,
                                         const std::optional<ModelSettings>& settings) {
  DiffusionConfig diffusion = settings ? settings->diffusion : DiffusionConfig{};
  diffusion.learn_sigma = unet.learn_sigma();
  std::string& variance = diffusion.model_var_type;
  require(diffusion.learn_sigma || variance != "learned_range", settings ? settings->origin : "",
          ": model_var_type is learned_range, but the network has ", unet.out_channels,
          " output channels for ", unet.in_channels, " and learns no variance");
  if (!variance.empty()) return diffusion;
  if (diffusion.learn_sigma)
    variance = "learned_range";
  else  // guided-diffusion's default is sigma_small=False
    variance = settings && !settings->fixed_variance.empty() ? settings->fixed_variance : "fixed_large";
  return diffusion;
}

}  // namespace tweedie
