// What tensors say about their network, and what happens when settings say otherwise.
#include "weights/unet_inference.hpp"

#include <algorithm>

#include "tests/weights/crafted.hpp"
#include "tests/weights/unet_topology.hpp"

using namespace tweedie;
using namespace tweedie::test;
using nlohmann::json;

namespace {

ModelSettings only_the_untraceable(const UNetConfig& c) {
  ModelSettings s;
  s.origin = "c.yaml";
  s.unet.image_size = c.image_size;
  s.unet.num_heads = c.num_heads;
  s.unet.num_head_channels = c.num_head_channels;
  s.unet.use_new_attention_order = c.use_new_attention_order;
  s.stated = {"image_size", "num_heads", "num_head_channels", "use_new_attention_order"};
  return s;
}

UNetConfig small() {
  UNetConfig c;
  c.image_size = 32;
  c.model_channels = 32;
  c.channel_mult = {1, 2};
  c.num_res_blocks = 1;
  c.attention_resolutions = {16};
  return c;
}

std::string error_for(const TensorShapes& shapes, const std::optional<ModelSettings>& settings) {
  return error_of([&] { resolve_unet_config(shapes, settings, "w.pt"); });
}

std::string error_with(const char* text) {
  ModelSettings s = parse_model_settings(json::parse(text), "c.yaml");
  s.stated.insert({"image_size", "num_heads"});
  if (s.unet.image_size == 64) s.unet.image_size = 32;
  return error_for(unet_tensors(small()), s);
}

}  // namespace

TEST_CASE("every branch of the family is inferred from its tensors alone") {
  int networks = 0;
  for (const std::vector<double>& mult : {std::vector<double>{1}, {1, 2}, {2, 1, 1}, {0.5, 1, 2, 2}})
    for (const int blocks : {1, 2, 3})
      for (const int resample : {0, 1, 2})
        for (const std::vector<int>& attention : {std::vector<int>{}, {32}, {16}, {32, 8}, {4}})
          for (const bool conditional : {false, true}) {
            UNetConfig c = small();
            c.model_channels = 64;
            c.channel_mult = mult;
            c.num_res_blocks = blocks;
            if (c.levels() > 1) {
              c.resblock_updown = resample == 1;
              c.conv_resample = resample != 2;
            }
            for (const int side : attention)
              if (c.image_size / side < 1 << c.levels()) c.attention_resolutions.push_back(side);
            c.attention_resolutions.erase(c.attention_resolutions.begin());
            std::sort(c.attention_resolutions.begin(), c.attention_resolutions.end());
            c.use_scale_shift_norm = conditional;
            if (conditional) c.num_classes = 7;
            c.in_channels = conditional ? 1 : 3;
            c.out_channels = blocks == 2 ? 6 : 2;
            CAPTURE(to_json(c).dump());
            REQUIRE(resolve_unet_config(unet_tensors(c), only_the_untraceable(c), "w.pt") == c);
            ++networks;
          }
  CHECK(networks == 4 * 3 * 3 * 5 * 2);
}

TEST_CASE("every preset agrees with its own tensors, and is recognised among others") {
  for (const std::string& name : preset_names()) {
    CAPTURE(name);
    const ModelSettings s = preset(name);
    const TensorShapes shapes = unet_tensors(s.unet);
    CHECK(looks_like_unet(shapes));
    CHECK(!looks_like_kernel_wizard(shapes));
    CHECK(resolve_unet_config(shapes, s, "w.pt") == s.unet);
    CHECK(resolve_diffusion_config(s.unet, s) == s.diffusion);
  }
  check_says(error_for(unet_tensors(preset("imagenet256").unet), preset("ffhq256")),
             "preset ffhq256: model_channels is 128, but w.pt has 256 (by time_embed.0.weight)");
  check_says(error_for(unet_tensors(preset("imagenet256").unet), preset("imagenet256-cond")),
             "num_classes is 1000, but w.pt has null");
}

TEST_CASE("what leaves no trace must be stated, all of it is listed") {
  const TensorShapes shapes = unet_tensors(small());
  const std::string none = error_for(shapes, std::nullopt);
  check_says(none, "image_size, num_heads or num_head_channels, use_new_attention_order");
  check_says(none, "--preset NAME or --config FILE");
  ModelSettings s = only_the_untraceable(small());
  s.stated = {"image_size"};
  check_says(error_for(shapes, s), "c.yaml: not stated: num_heads or num_head_channels; give them");
  s.stated = {"num_heads"};
  check_says(error_for(shapes, s), "c.yaml: not stated: image_size");
}

TEST_CASE("a setting that contradicts a tensor is an error that names both") {
  check_says(error_with(R"({"num_channels":64})"),
             "model_channels is 64, but w.pt has 32 (by time_embed.0.weight)");
  check_says(error_with(R"({"in_channels":1})"),
             "in_channels is 1, but w.pt has 3 (by input_blocks.0.0.weight)");
  check_says(error_with(R"({"out_channels":6})"), "out_channels is 6, but w.pt has 3 (by out.2.weight)");
  check_says(error_with(R"({"learn_sigma":true})"),
             "learn_sigma is true, but w.pt has 3 input and 3 output channels");
  check_says(error_with(R"({"class_cond":true})"),
             "num_classes is 1000, but w.pt has null (by label_emb.weight)");
  check_says(error_with(R"({"num_res_blocks":2})"), "num_res_blocks is 2, but w.pt has 1");
  check_says(error_with(R"({"channel_mult":"1,2,2"})"), "channel_mult is [1,2,2], but w.pt has [1,2]");
  check_says(error_with(R"({"use_scale_shift_norm":true})"),
             "use_scale_shift_norm is true, but w.pt has false");
  check_says(error_with(R"({"resblock_updown":true})"), "resblock_updown is true, but w.pt has false");
  check_says(error_with(R"({"conv_resample":false})"), "conv_resample is false, but w.pt has true");
  check_says(error_with(R"({"attention_resolutions":"32,16"})"), "is at level 0, 1, but w.pt has at level 1");
  check_says(error_with(R"({"image_size":128,"attention_resolutions":"16"})"),
             "is at no level, but w.pt has at level 1");
  CHECK(error_with(R"({"attention_resolutions":"16,4"})")
            .empty());  // no level has 4: harmless, as in the scripts
}

TEST_CASE("tensors that are no U-Net's say why") {
  const auto without = [](const char* name) {
    TensorShapes shapes = unet_tensors(small());
    REQUIRE(shapes.erase(name) == 1);
    return error_for(shapes, only_the_untraceable(small()));
  };
  check_says(without("input_blocks.1.0.out_layers.3.weight"),
             "there is no tensor input_blocks.1.0.out_layers.3.weight");
  check_says(without("middle_block.1.qkv.weight"), "there is no tensor middle_block.1.qkv.weight");
  check_says(without("output_blocks.0.1.qkv.weight"),
             "level 1 has input_blocks.3.1.qkv.weight but no output_blocks.0.1.qkv.weight");
  const auto with = [](const char* name, Extents extents) {
    TensorShapes shapes = unet_tensors(small());
    shapes[name] = std::move(extents);
    return error_for(shapes, only_the_untraceable(small()));
  };
  check_says(with("time_embed.0.weight", {128}),
             "time_embed.0.weight has shape (128), expected 2 dimensions");
  check_says(with("out.2.weight", {0, 32, 3, 3}), "out.2.weight has shape (0, 32, 3, 3)");
  check_says(with("input_blocks.3.0.emb_layers.1.weight", {99, 128}), "has 99 rows, expected 64");
  check_says(with("input_blocks.0.0.weight", {96, 3, 3, 3}),
             "input_blocks.0.0.weight has 96 rows, expected 32");
  check_says(with("output_blocks.x.weight", {1}), "unexpected tensor output_blocks.x.weight");
  check_says(with("output_blocks.4.0.in_layers.2.weight", {1}), "5 output blocks do not divide");
  check_says(with("input_blocks.9.0.in_layers.2.weight", {1}), "10 input blocks and 4 output blocks");
}

TEST_CASE("a KernelWizard's configuration is read off its tensors") {
  const std::string core = "adapter.model.submodule.submodule.submodule.submodule.";
  TensorShapes shapes = {
      {"feature_extractor.0.weight", {8, 3, 3, 3}},       {"feature_extractor.6.conv1.weight", {8, 8, 3, 3}},
      {"feature_extractor.7.conv1.weight", {8, 8, 3, 3}}, {"adapter.model.down.0.weight", {8, 8, 4, 4}},
      {core + "down.1.weight", {64, 64, 4, 4}},           {core + "up.1.weight", {128, 64, 4, 4}},
      {"recon_trunk.0.conv1.weight", {8, 8, 3, 3}}};
  CHECK(looks_like_kernel_wizard(shapes));
  CHECK(!looks_like_unet(shapes));
  const json expected = {{"input_nc", 3}, {"nf", 8}, {"front_RBs", 2}, {"back_RBs", 1}, {"kernel_dim", 64}};
  const auto resolve = [&](const json& settings) {
    return resolve_kernel_wizard_config(shapes, settings, "k.pth");
  };
  CHECK(resolve(nullptr) == expected);
  CHECK(resolve({{"KernelWizard", {{"nf", 8}, {"norm", "none"}}}}) == expected);
  check_says(error_of([&] { resolve({{"nf", 64}}); }), "nf is 64, but k.pth has 8");
  check_says(error_of([&] { resolve({{"nff", 8}}); }), "unknown key nff");
  shapes.erase(core + "up.1.weight");
  check_says(error_of([&] { resolve(nullptr); }),
             "not a KernelWizard: there is no tensor " + core + "up.1.weight");
}
