// Configuration files: all of a file is read, or it is refused with the line.
#include "tests/weights/crafted.hpp"
#include "weights/strict_json.hpp"
#include "weights/unet_config.hpp"
#include "weights/unet_inference.hpp"

using namespace tweedie;
using namespace tweedie::test;
using nlohmann::json;

namespace {

std::string refusal(const std::string& text) {
  const TemporaryFolder folder;
  return error_of([&] { read_config_file(folder.write("c.yaml", text)); });
}

json parsed(const std::string& text) {
  const TemporaryFolder folder;
  return read_config_file(folder.write("c.yaml", text));
}

}  // namespace

TEST_CASE("parts of a configuration that would not be read are refused") {
  const std::pair<std::string, const char*> files[] = {
      {"a: 1\n---\nb: 2\n", "line 3: a second document"},
      {"a: 1\n...\nb: 2\n", "line 3: a second document"},
      {"---\na: 1\n---\n- 2\n", "a second document"},
      {"---\na: 1\n---\njust words\n", "a second document"},
      {"a: 1\n---\n---\nb: 2\n", "a second document"},
      {R"({"a": 1} garbage)", "a second document"},
      {R"({"a": 1}{"b": 2})", "a second document"},
      {R"({"a": 1, "a": 2})", "line 1: a is given twice"},
      {R"({"a": {"b": 1, "b": 2}})", "line 1: b is given twice"},
      {"a: 1\na: 2\n", "line 2: a is given twice"},
      {"a: 1\n'a': 2\n", "line 2: a is given twice"},
      {"a: 1\n%steps: 2\n", "line 2: `%steps: 2` would not be read"},
      {std::string("a: 1\n\0b: 2\n", 11), "not a configuration in UTF-8 text"},
      {std::string("\xff\xfe"
                   "a\0:\0 \0"
                   "1\0",
                   10),
       "not a configuration in UTF-8 text"},
      {"x: &x {a: 1}\ny:\n  <<: *x\n", "line 3: merging by `<<` is not read"},
      {"a: !!python/object/apply:os.system [x]\n", "the tag !python/object/apply:os.system is not read"},
      {"a: !mine 5\n", "line 1: the tag !!mine of `5` is not read"},
      {"a: !!int five\n", "the tag !int of `five` is not read"},
      {"a: !!int 5.5\n", "the tag !int of `5.5` is not read"},
      {"a: !!binary aGk=\n", "the tag !binary"},
      {"a: !!set {b: null}\n", "the tag !set is not read"},
      {"a: !!omap [b: 1]\n", "the tag !omap is not read"},
      {"steps: 010\n", "line 1: 010 means one number to some"},
      {"- 1\n- 2\n", "expected a list of `key: value`"},
      {"", "expected a list of `key: value`"},
      {"a: [1, 2\n", "line "},
      {"a:\n\tb: 1\n", "line 2: indented by a tab, expected spaces"},
      {"a: b\xfcrste\n", "not a configuration in UTF-8 text"},
      {"a: 1\n]\n", "line 2"},
      {"? [1, 2]\n: 3\n", "a key must be a word"},
  };
  for (const auto& [text, expected] : files) {
    CAPTURE(text);
    check_says(refusal(text), expected);
  }
  std::string laughs = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";  // a billion of them
  for (int i = 1; i < 10; ++i) {
    laughs += message("a", i, ": &a", i, " [");
    for (int k = 0; k < 10; ++k) laughs += message(k > 0 ? ", " : "", "*a", i - 1);
    laughs += "]\n";
  }
  check_says(refusal(laughs), "more than 100000 values");
}

TEST_CASE("what says the same in other ways is read") {
  const json expected = {{"a", 1}, {"b", {1, 2}}};
  for (const char* text :
       {"a: 1\nb: [1, 2]\n", "---\na: 1\nb: [1, 2]\n---\n", "a: 1\nb: [1, 2]\n...\n",
        "a: 1\nb: [1, 2]\n---\n# end\n...\n", "%YAML 1.1\n---\na: 1\nb: [1, 2]\n",
        "\xef\xbb\xbf"
        "a: 1\r\nb: [1, 2]\r\n",
        R"({"a": 1, "b": [1, 2]})", "a: &x 1\nb: [*x, 2]\n", "a: !!int 1\nb: !!seq [1, 2]\n",
        "a: 1\nb: !!python/tuple [1, 2]\n", "# a\n\na: 1 # b\nb:\n- 1\n- 2\n"}) {
    CAPTURE(text);
    CHECK(parsed(text) == expected);
  }
  CHECK(parsed("a: !!str 5")["a"] == "5");
  CHECK(parsed("a: '5'")["a"] == "5");
  CHECK(parsed("a: !!float 5")["a"].is_number_float());
  CHECK(parsed("a: 0\nb: 0.5\nc: -0\nd: '010'")["d"] == "010");
  CHECK(parsed("a: 18446744073709551615")["a"] == 18446744073709551615U);
}

TEST_CASE("a key without a value says so") {
  const auto says = [](const char* text) {
    return error_of([&] { parse_model_settings(json::parse(text), "c.yaml"); });
  };
  CHECK(says(R"({"noise_schedule": null})") == "c.yaml: noise_schedule has no value, expected text");
  CHECK(says(R"({"image_size": null})") == "c.yaml: image_size has no value, expected a number");
  CHECK(says(R"({"learn_sigma": null})") == "c.yaml: learn_sigma has no value, expected true or false");
}

TEST_CASE("JSON attributes and headers: no key twice, nothing behind, no end of nesting") {
  CHECK(parse_json(R"({"a": {"b": 1}, "c": {"b": 2}})", "x")["c"]["b"] == 2);
  check_says(error_of([] { parse_json(R"({"a": 1, "a": 2})", "x"); }), "x has the key a twice");
  check_says(error_of([] { parse_json(R"([{"a": {"b": 1, "c": 2, "b": 3}}])", "x"); }),
             "x has the key b twice");
  check_says(error_of([] { parse_json(R"({"a": 1} 2)", "x"); }), "x is not JSON");
  check_says(error_of([] { parse_json("", "x"); }), "x is not JSON");
  check_says(error_of([] { parse_json(std::string(100, '['), "x"); }), "x is nested too deeply");
}

TEST_CASE("the variance of sampling steps is kept, whichever dialect says it") {
  const auto settings = [](const char* text) { return parse_model_settings(json::parse(text), "c.yaml"); };
  UNetConfig plain, learned;
  learned.out_channels = 6;
  const auto kept = [&](const char* text, const UNetConfig& unet) {
    return resolve_diffusion_config(unet, settings(text)).model_var_type;
  };
  CHECK(kept(R"({"sigma_small": true})", plain) == "fixed_small");
  CHECK(kept(R"({"sigma_small": "False"})", plain) == "fixed_large");
  CHECK(kept("{}", plain) == "fixed_large");  // guided-diffusion's default
  CHECK(kept(R"({"model_var_type": "fixed_small"})", plain) == "fixed_small");
  CHECK(kept("{}", learned) == "learned_range");
  CHECK(kept(R"({"sigma_small": true})", learned) == "learned_range");  // as guided-diffusion does
  CHECK(kept(R"({"model_var_type": "fixed_large"})", learned) == "fixed_large");
  CHECK(resolve_diffusion_config(plain, std::nullopt).model_var_type == "fixed_large");
  check_says(error_of([&] { kept(R"({"model_var_type": "learned_range"})", plain); }), "learns no variance");
  check_says(error_of([&] { kept(R"({"model_var_type": "learned"})", plain); }),
             "expected one of learned_range");
  check_says(error_of([&] { kept(R"({"model_var_type": "fixed_large", "sigma_small": true})", plain); }),
             "sigma_small means fixed_small, but model_var_type is fixed_large");
  DiffusionConfig diffusion;
  CHECK_FALSE(to_json(diffusion).contains("model_var_type"));  // files of before stay as they are
  diffusion.model_var_type = "fixed_small";
  CHECK(parse_diffusion_config(to_json(diffusion), "x") == diffusion);
}

TEST_CASE("settings that a weight file does not keep are listed") {
  const ModelSettings s = parse_model_settings(
      {{"dropout", 0.1}, {"use_fp16", true}, {"steps", 100}, {"sampler", "ddim"}}, "c.yaml");
  CHECK(s.ignored == std::vector<std::string>{"dropout", "sampler", "use_fp16"});
}
