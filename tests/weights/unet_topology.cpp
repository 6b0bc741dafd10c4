#include "tests/weights/unet_topology.hpp"

namespace tweedie::test {

namespace {

class Topology {
 public:
  explicit Topology(const UNetConfig& config) : c_(config), embedding_(4 * config.model_channels) {}

  TensorShapes build() {
    linear("time_embed.0", c_.model_channels, embedding_);
    linear("time_embed.2", embedding_, embedding_);
    if (c_.num_classes) shapes_["label_emb.weight"] = {*c_.num_classes, embedding_};
    const std::vector<int> skips = down();
    const int deepest = skips.back();
    residual("middle_block.0", deepest, deepest);
    attention("middle_block.1", deepest);
    residual("middle_block.2", deepest, deepest);
    up(skips);
    norm("out.0", c_.channels(0));
    conv("out.2", c_.channels(0), c_.out_channels, 3);
    return std::move(shapes_);
  }

 private:
  void affine(const std::string& name, Extents weight) {
    shapes_[name + ".bias"] = {weight[0]};
    shapes_[name + ".weight"] = std::move(weight);
  }
  void linear(const std::string& name, int in, int out) { affine(name, {out, in}); }
  void norm(const std::string& name, int channels) { affine(name, {channels}); }
  void conv(const std::string& name, int in, int out, int side) { affine(name, {out, in, side, side}); }

  void residual(const std::string& name, int in, int out) {
    norm(name + ".in_layers.0", in);
    conv(name + ".in_layers.2", in, out, 3);
    linear(name + ".emb_layers.1", embedding_, c_.use_scale_shift_norm ? 2 * out : out);
    norm(name + ".out_layers.0", out);
    conv(name + ".out_layers.3", out, out, 3);
    if (in != out) conv(name + ".skip_connection", in, out, 1);
  }

  void attention(const std::string& name, int channels) {
    norm(name + ".norm", channels);
    affine(name + ".qkv", {3 * channels, channels, 1});
    affine(name + ".proj_out", {channels, channels, 1});
  }

  void resample(const std::string& name, const char* plain, int channels) {
    if (c_.resblock_updown)
      residual(name, channels, channels);
    else if (c_.conv_resample)
      conv(name + plain, channels, channels, 3);
  }

  std::vector<int> down() {
    int channels = c_.channels(0);
    conv("input_blocks.0.0", c_.in_channels, channels, 3);
    std::vector<int> skips = {channels};
    int index = 1;
    for (int level = 0; level < c_.levels(); ++level) {
      for (int i = 0; i < c_.num_res_blocks; ++i, ++index) {
        const std::string block = "input_blocks." + std::to_string(index);
        residual(block + ".0", channels, c_.channels(level));
        channels = c_.channels(level);
        if (c_.attention_at(level)) attention(block + ".1", channels);
        skips.push_back(channels);
      }
      if (level + 1 == c_.levels()) break;
      resample("input_blocks." + std::to_string(index++) + ".0", ".op", channels);
      skips.push_back(channels);
    }
    return skips;
  }

  void up(std::vector<int> skips) {
    int channels = skips.back();
    int index = 0;
    for (int level = c_.levels() - 1; level >= 0; --level)
      for (int i = 0; i <= c_.num_res_blocks; ++i, ++index) {
        const std::string block = "output_blocks." + std::to_string(index);
        residual(block + ".0", channels + skips.back(), c_.channels(level));
        skips.pop_back();
        channels = c_.channels(level);
        int next = 1;
        if (c_.attention_at(level)) attention(block + "." + std::to_string(next++), channels);
        if (level > 0 && i == c_.num_res_blocks)
          resample(block + "." + std::to_string(next), ".conv", channels);
      }
  }

  const UNetConfig& c_;
  int embedding_;
  TensorShapes shapes_;
};

}  // namespace

TensorShapes unet_tensors(const UNetConfig& config) { return Topology(config).build(); }

std::int64_t parameter_count(const TensorShapes& shapes) {
  std::int64_t count = 0;
  for (const auto& [name, extents] : shapes) count += element_count(extents);
  return count;
}

}  // namespace tweedie::test
