#include "tests/layers/small_unets.hpp"

namespace tweedie::test {

std::vector<NamedConfig> small_unets() {
  UNetConfig base;
  base.image_size = 16;
  base.model_channels = 32;
  base.num_res_blocks = 1;
  base.channel_mult = {1, 2};
  base.attention_resolutions = {8};

  UNetConfig convolutions = base;  // the defaults otherwise: additive embedding, old attention order
  convolutions.num_heads = 2;

  UNetConfig residual = base;
  residual.resblock_updown = true;
  residual.use_scale_shift_norm = true;
  residual.out_channels = 6;
  residual.num_head_channels = 16;

  UNetConfig plain = base;
  plain.conv_resample = false;
  plain.use_scale_shift_norm = true;
  plain.use_new_attention_order = true;
  plain.attention_resolutions = {16, 8};
  plain.num_heads = 1;
  plain.num_heads_upsample = 4;

  UNetConfig gray = base;
  gray.in_channels = 1;
  gray.out_channels = 2;
  gray.num_classes = 5;
  gray.resblock_updown = true;
  gray.attention_resolutions = {};
  gray.channel_mult = {1, 1, 2};

  UNetConfig widths = base;
  widths.model_channels = 64;
  widths.channel_mult = {0.5, 1.5, 1};
  widths.num_res_blocks = 2;
  widths.num_head_channels = 32;
  widths.use_new_attention_order = true;
  widths.attention_resolutions = {4};

  return {{"convolutions up and down, additive embedding, old attention order, two heads", convolutions},
          {"residual blocks up and down, scale and shift, learned variance, heads of 16 channels", residual},
          {"plain resampling, new attention order on both levels, more heads on the way up", plain},
          {"one channel, class-conditional, attention in the middle only, equal levels", gray},
          {"fractional multipliers, falling widths, two blocks a level", widths}};
}

std::vector<float> TestSource::read(const std::string& key, const Extents& expected) {
  REQUIRE_MESSAGE(asked_.emplace(key, expected).second, key, " was read twice");
  const auto found = replaced_.find(key);
  if (found != replaced_.end()) {
    REQUIRE(std::int64_t(found->second.size()) == element_count(expected));
    return found->second;
  }
  if (expected.size() != 1) return random_.read(key, expected);
  const bool bias = key.ends_with("bias");
  return random_values(expected[0], unsigned(std::hash<std::string>()(key)), bias ? -0.2f : 0.5f,
                       bias ? 0.2f : 1.5f);
}

SmallUNet::SmallUNet(Device device, const UNetConfig& config, TestSource& source) : context(device, 1, true) {
  net.emplace(context, WeightScope(source), config);
}

SmallUNet::SmallUNet(Device device, const UNetConfig& config) : context(device, 1, true) {
  TestSource source;
  net.emplace(context, WeightScope(source), config);
}

SmallUNet::~SmallUNet() {
  net.reset();
  CHECK(context.pool.damaged_guards() == 0);
  CHECK(context.pool.in_use() == 0);
}

void SmallUNet::label(int samples, int first) {
  if (!config().num_classes) return;
  std::vector<int> labels;
  for (int n = 0; n < samples; ++n) labels.push_back((first + n) % *config().num_classes);
  net->set_labels(labels);
}

std::vector<float> SmallUNet::forward(const std::vector<float>& x, Shape shape, const std::vector<float>& t) {
  return context.download(net->forward(context.upload(shape, x), t));
}

std::vector<float> SmallUNet::saving_forward(const std::vector<float>& x, Shape shape,
                                             const std::vector<float>& t) {
  const std::unique_ptr<Saved> saved = net->make_saved();
  return context.download(net->forward(context.upload(shape, x), t, saved.get()));
}

std::vector<float> SmallUNet::pull_back(const std::vector<float>& x, Shape shape, const std::vector<float>& t,
                                        const std::vector<float>& cotangent) {
  const std::unique_ptr<Saved> saved = net->make_saved();
  net->forward(context.upload(shape, x), t, saved.get());
  const int channels = int(std::int64_t(cotangent.size()) / (shape.N * shape.plane()));
  return context.download(
      net->backward(context.upload({shape.N, channels, shape.H, shape.W}, cotangent), *saved));
}

}  // namespace tweedie::test
