// Configurations: dialects, defaults, presets, mistakes.
#include "weights/unet_config.hpp"

#include "tests/weights/crafted.hpp"
#include "tests/weights/unet_topology.hpp"

using namespace tweedie;
using namespace tweedie::test;
using nlohmann::json;

TEST_CASE("the presets have the published numbers of parameters") {
  const auto count = [](const char* name) { return parameter_count(unet_tensors(preset(name).unet)); };
  CHECK(count("ffhq256") == 93563910);
  CHECK(unet_tensors(preset("ffhq256").unet).size() == 362);
  CHECK(count("imagenet256") == 552814086);
  CHECK(unet_tensors(preset("imagenet256").unet).size() == 566);
  // Table 4 of Dhariwal and Nichol 2021, in millions.
  CHECK((count("imagenet64-cond") + 500000) / 1000000 == 296);
  CHECK((count("imagenet128-cond") + 500000) / 1000000 == 422);
  CHECK((count("imagenet256-cond") + 500000) / 1000000 == 554);
  CHECK((count("imagenet512-cond") + 500000) / 1000000 == 559);
  for (const std::string& name : preset_names()) {
    CAPTURE(name);
    CHECK(error_of([&] { validate(preset(name).unet, name); }).empty());
    CHECK(preset(name).unet.learn_sigma());
    CHECK(preset(name).diffusion.learn_sigma);
  }
  CHECK(preset("imagenet64-cond").diffusion.noise_schedule == "cosine");
  check_says(error_of([] { preset("ffhq"); }), "unknown preset ffhq; known are ffhq256, imagenet256");
}

TEST_CASE("levels, attention and heads follow from the fields") {
  UNetConfig c = preset("imagenet512-cond").unet;
  CHECK(c.channels(0) == 128);
  CHECK(c.channels(6) == 1024);
  CHECK(!c.attention_at(3));  // 64
  CHECK(c.attention_at(4));   // 32
  CHECK(c.heads(512, false) == 8);
  c.num_head_channels = -1;
  c.num_heads = 4;
  CHECK(c.heads(512, true) == 4);
  c.num_heads_upsample = 2;
  CHECK(c.heads(512, false) == 4);
  CHECK(c.heads(512, true) == 2);
}

TEST_CASE("to_json and parse_unet_config are inverse, defaults are UNetModel's") {
  for (const std::string& name : preset_names()) {
    const UNetConfig c = preset(name).unet;
    CHECK(parse_unet_config(json::parse(to_json(c).dump()), "x") == c);
    const DiffusionConfig d = preset(name).diffusion;
    CHECK(parse_diffusion_config(to_json(d), "x") == d);
  }
  const UNetConfig c =
      parse_unet_config(json::parse(read_file(TWEEDIE_TEST_DATA "/unet_classcond/model_config.json")), "x");
  CHECK(c.num_classes == 10);
  CHECK(!c.use_scale_shift_norm);
  CHECK(!c.resblock_updown);
  CHECK(c.conv_resample);
  CHECK(c.channel_mult == std::vector<double>{1, 1, 2});
  CHECK(parse_diffusion_config(json::object(), "x") == DiffusionConfig{});
}

TEST_CASE("DPS's model_config.yaml is understood as it is") {
  const TemporaryFolder folder;
  const std::string path =
      folder.write("model_config.yaml",
                   "# a comment\n"
                   "image_size: 256\nnum_channels: 128\nnum_res_blocks: 1\nchannel_mult: \"\"\n"
                   "learn_sigma: True\nclass_cond: False\nuse_checkpoint: False\n"
                   "attention_resolutions: 16\nnum_heads: 4\nnum_head_channels: 64\n"
                   "num_heads_upsample: -1\nuse_scale_shift_norm: True\ndropout: 0.0\n"
                   "resblock_updown: True\nuse_fp16: False\nuse_new_attention_order: False\n"
                   "model_path: models/ffhq_10m.pt\n");
  const ModelSettings s = parse_model_settings(read_config_file(path), path);
  CHECK(s.unet == preset("ffhq256").unet);
  CHECK(s.diffusion.learn_sigma);
  CHECK(s.stated.contains("channel_mult"));  // "" means the image size's
  CHECK(s.stated.contains("model_channels"));
  CHECK(!s.stated.contains("in_channels"));
}

TEST_CASE("the scripts' spellings of values are understood") {
  const ModelSettings s = parse_model_settings(
      json::parse(R"({"image_size":"64","channel_mult":"1,2, 3,4","attention_resolutions":"32,16,8",
                      "class_cond":"True","diffusion_steps":"4000","predict_xstart":true,"noise_schedule":"cosine",
                      "num_classes":"None","use_fp16":"True"})"),
      "x");
  CHECK(s.unet.channel_mult == std::vector<double>{1, 2, 3, 4});
  CHECK(s.unet.attention_resolutions == std::vector<int>{32, 16, 8});
  CHECK(s.diffusion.steps == 4000);
  CHECK(s.diffusion.model_mean_type == "start_x");
  CHECK(s.diffusion.noise_schedule == "cosine");
  const ModelSettings conditional = parse_model_settings(json::parse(R"({"class_cond":true})"), "x");
  CHECK(conditional.unet.num_classes == 1000);
  const TemporaryFolder folder;
  const json yaml = read_config_file(
      folder.write("c.yaml", "channel_mult: [0.5, 1]\nname: \"16\"\nnothing: ~\nyes: 1e-3\nflag: false\n"));
  CHECK(yaml ==
        json::parse(R"({"channel_mult":[0.5,1],"name":"16","nothing":null,"yes":0.001,"flag":false})"));
}

TEST_CASE("mistakes in a configuration name the key") {
  const auto refuses = [](const char* text, const char* expected) {
    check_says(error_of([&] { parse_model_settings(json::parse(text), "c.yaml"); }), expected);
  };
  refuses(R"({"num_chanels":128})", "c.yaml: unknown key num_chanels");
  refuses(R"({"num_channels":"many"})", "c.yaml: num_channels: got \"many\", expected a number");
  refuses(R"({"num_channels":1.5})", "num_channels: got 1.5, expected a whole number");
  refuses(R"({"num_channels":1e300})", "expected a whole number");
  refuses(R"({"resblock_updown":1})", "resblock_updown: got 1, expected true or false");
  refuses(R"({"channel_mult":"1,,2"})", "channel_mult: got \"1,,2\", expected a number");
  refuses(R"({"noise_schedule":"quadratic"})", "expected one of linear cosine");
  refuses(R"({"dims":3})", "dims: got 3, expected 2");
  refuses(R"({"steps":0})", "steps: got 0, expected 1 to 1000000");
  refuses(R"([1])", "expected `key: value` pairs");
  check_says(error_of([] { parse_unet_config(json::parse(R"({"num_channels":128})"), "w.h5"); }),
             "w.h5: unknown key num_channels in a U-Net configuration");
  check_says(error_of([] { parse_diffusion_config(json::parse(R"({"betas":1})"), "w.h5"); }),
             "unknown key betas");
}

TEST_CASE("configurations that are no networks are refused") {
  const auto refuses = [](const char* text, const char* expected) {
    check_says(error_of([&] { parse_unet_config(json::parse(text), "x"); }), expected);
  };
  refuses(R"({"num_res_blocks":0})", "num_res_blocks: got 0, expected a positive number");
  refuses(R"({"model_channels":48})", "level 0 has 48 channels");
  refuses(R"({"channel_mult":[]})", "got 0 levels");
  refuses(R"({"channel_mult":[1,-1]})", "level 1 has -128 channels");
  refuses(R"({"attention_resolutions":[0]})", "attention_resolutions: got 0");
  refuses(R"({"num_heads":3})", "cannot be split into heads");
  refuses(R"({"num_head_channels":96})", "cannot be split into heads");
  refuses(R"({"num_head_channels":0})", "num_head_channels: got 0");
  refuses(R"({"num_classes":-3})", "num_classes: got -3");
}

TEST_CASE("files that are no configurations name the line") {
  const TemporaryFolder folder;
  check_says(error_of([&] { read_config_file(folder.path("none.yaml")); }),
             "cannot read this configuration file");
  check_says(error_of([&] { read_config_file(folder.write("a.yaml", "a: 1\nb: [1, 2\nc: }")); }),
             "a.yaml: line 3");
  check_says(error_of([&] { read_config_file(folder.write("b.yaml", "just words")); }), "expected a list of");
  check_says(error_of([&] { read_config_file(folder.write("c.yaml", "a: 1\na: 2\n")); }),
             "line 2: a is given twice");
}
