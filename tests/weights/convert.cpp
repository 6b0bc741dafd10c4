// tweedie-convert from end to end, as a function and as a program.
#include "weights/convert.hpp"

#include <sys/wait.h>

#include <cmath>
#include <cstdio>

#include "tests/weights/crafted.hpp"
#include "tests/weights/unet_topology.hpp"
#include "weights/read_files.hpp"
#include "weights/weight_file.hpp"

using namespace tweedie;
using namespace tweedie::test;
using nlohmann::json;

namespace {

const std::string data = TWEEDIE_TEST_DATA;

ConvertOptions fixture(const std::string& name, const TemporaryFolder& folder) {
  ConvertOptions options;
  options.checkpoint = data + "/" + name + "/checkpoint.pt";
  options.config_file = data + "/" + name + "/model_config.json";
  options.output = folder.path(name + ".h5");
  return options;
}

// A path as one word of a shell command.
std::string word(const std::string& path) { return "'" + path + "'"; }

struct Run {
  int status;
  std::string output;  ///< stdout and stderr together
};

Run run(const std::string& arguments) {
  FILE* pipe = ::popen((word(TWEEDIE_CONVERT) + " " + arguments + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) output += static_cast<char>(c);
  const int status = ::pclose(pipe);
  REQUIRE(WIFEXITED(status));
  return {WEXITSTATUS(status), output};
}

// A whole checkpoint of a small U-Net, all values 0.25 but where `change` interferes.
template <class Change>
std::string unet_checkpoint(Change change) {
  UNetConfig config;
  config.image_size = 32;
  config.model_channels = 32;
  config.channel_mult = {1};
  config.num_res_blocks = 1;
  config.attention_resolutions = {};
  Crafted c;
  for (const auto& [name, extents] : unet_tensors(config)) {
    const std::int64_t count = element_count(extents);
    std::vector<std::int64_t> strides(extents.size(), 1);
    for (std::size_t axis = extents.size(); axis-- > 1;) strides[axis - 1] = strides[axis] * extents[axis];
    c.storages.push_back({std::to_string(c.storages.size()), "FloatStorage", count,
                          bytes_of(std::vector<float>(static_cast<std::size_t>(count), 0.25F))});
    c.tensors.push_back({name, c.storages.size() - 1, 0, extents, strides});
  }
  change(c);
  return zip_of(c);
}

constexpr const char* settings = "image_size: 32\nnum_heads: 4\n";

}  // namespace

TEST_CASE("the fixtures' checkpoints, zip and legacy, arrive unchanged in the weight file") {
  const TemporaryFolder folder;
  for (const char* name : {"unet_small", "unet_classcond"}) {
    CAPTURE(name);
    const ConvertOptions options = fixture(name, folder);
    const ConvertReport report = convert_checkpoint(options);
    const Checkpoint checkpoint(open_file(options.checkpoint));
    WeightFile file(options.output);
    CHECK(file.keys().size() == checkpoint.tensors().size());
    for (const TensorEntry& tensor : checkpoint.tensors()) {
      CAPTURE(tensor.name);
      REQUIRE(file.read(tensor.name, tensor.extents) == checkpoint.read(tensor));
    }
    CHECK(error_of([&] { file.require_all_used(); }).empty());
    // The configuration found is the recorded one, and has exactly these tensors.
    const UNetConfig config = parse_unet_config(file.header().config, name);
    CHECK(config == parse_unet_config(json::parse(read_file(options.config_file)), name));
    TensorShapes shapes;
    for (const TensorEntry& tensor : checkpoint.tensors()) shapes[tensor.name] = tensor.extents;
    CHECK(shapes == unet_tensors(config));
    CHECK(report.parameters == parameter_count(shapes));
    CHECK(parse_diffusion_config(file.header().diffusion, name).learn_sigma == config.learn_sigma());
    CHECK(report.container == (std::string(name) == "unet_small" ? "PyTorch zip" : "PyTorch legacy"));
  }
}

TEST_CASE("known numbers of the recorded checkpoint") {
  const TemporaryFolder folder;
  ConvertOptions options = fixture("unet_small", folder);
  options.compression = 6;
  const ConvertReport report = convert_checkpoint(options);
  CHECK(report.tensors == 144);
  CHECK(report.parameters == 828358);
  // By sha256sum and by Python's struct on the zip's entry data/0.
  CHECK(report.sha256 == "6d2392bef82aea06d01b87cc16a3eb0e8c8001ca7f7e6f20edd0e9b3a11da2fe");
  CHECK(report.source == "checkpoint.pt sha256:" + report.sha256);
  const std::vector<float> w = WeightFile(options.output).read("time_embed.0.weight", {128, 32});
  CHECK(w[0] == -0.13003704F);
  CHECK(w[4095] == 0.07731391F);
}

TEST_CASE("storage type: by default the checkpoint's own, else as asked") {
  const TemporaryFolder folder;
  const std::string path = folder.write(
      "u.pt", unet_checkpoint([](Crafted& c) {
        c.storages[0].type = "DoubleStorage";
        c.storages[0].bytes =
            bytes_of(std::vector<double>(static_cast<std::size_t>(c.storages[0].count), 0.1));
        c.storages[1].type = "HalfStorage";
        c.storages[1].bytes = std::string(2 * static_cast<std::size_t>(c.storages[1].count), '\x3c');
      }));
  ConvertOptions options{.checkpoint = path, .output = folder.path("u.h5")};
  options.config_file = folder.write("c.yaml", settings);
  convert_checkpoint(options);
  const std::size_t own = read_file(options.output).size();
  const Checkpoint checkpoint(open_file(path));
  WeightFile file(options.output);
  CHECK(file.read(checkpoint.tensors()[0].name, checkpoint.tensors()[0].extents)[0] == 0.1F);
  CHECK(file.read(checkpoint.tensors()[1].name, checkpoint.tensors()[1].extents)[0] ==
        float_from_half(0x3c3c));
  options.dtype = Element::bf16;
  options.overwrite = true;
  convert_checkpoint(options);
  CHECK(read_file(options.output).size() < own * 3 / 4);
  WeightFile small(options.output);
  CHECK(small.read(checkpoint.tensors()[0].name, checkpoint.tensors()[0].extents)[0] ==
        float_from_bfloat16(bfloat16_from_float(0.1F)));
}

TEST_CASE("failure leaves nothing behind, and success replaces only when told") {
  const TemporaryFolder folder;
  const std::string bad =
      folder.write("bad.pt", unet_checkpoint([](Crafted& c) {
                     c.storages.back().bytes =
                         bytes_of(std::vector<float>(static_cast<std::size_t>(c.storages.back().count), NAN));
                   }));
  ConvertOptions options{.checkpoint = bad, .output = folder.path("o.h5")};
  options.config_file = folder.write("c.yaml", settings);
  check_says(error_of([&] { convert_checkpoint(options); }), "has the value nan at element 0");
  CHECK(folder.files() == std::vector<std::string>{"bad.pt", "c.yaml"});
  folder.write("o.h5", "precious");
  options.checkpoint = folder.write("good.pt", unet_checkpoint([](Crafted&) {}));
  check_says(error_of([&] { convert_checkpoint(options); }), "exists already; --force replaces it");
  options.overwrite = true;
  const auto interrupted = [&] {
    convert_checkpoint(options, [](std::uint64_t done, std::uint64_t) { require(done == 0, "interrupted"); });
  };
  CHECK(error_of(interrupted) == "interrupted");
  CHECK(read_file(folder.path("o.h5")) == "precious");
  convert_checkpoint(options);
  CHECK(WeightFile(options.output).header().architecture == "guided_diffusion_unet");
  const ReadFiles reads;
  options.output = options.checkpoint;
  check_says(error_of([&] { convert_checkpoint(options); }), "this run reads it");
}

TEST_CASE("counters beside the weights are left out with a notice; other networks are refused") {
  const TemporaryFolder folder;
  ConvertOptions options{.output = folder.path("o.h5")};
  options.config_file = folder.write("c.yaml", settings);
  options.checkpoint = folder.write("u.pt", unet_checkpoint([](Crafted& c) {
                                      c.storages.push_back({"n", "LongStorage", 1, std::string(8, '\0')});
                                      c.tensors.push_back({"num_updates", c.storages.size() - 1, 0, {}, {}});
                                    }));
  const ConvertReport report = convert_checkpoint(options);
  REQUIRE(report.notices.size() == 1);
  check_says(report.notices[0], "num_updates (torch.LongStorage)");
  CHECK(!WeightFile(options.output).has("num_updates"));
  options.overwrite = true;
  options.checkpoint = folder.write("t.pt", zip_of(two_tensors()));
  check_says(error_of([&] { convert_checkpoint(options); }), "of no known architecture");
  check_says(error_of([&] { convert_checkpoint(options); }), "its 2 tensors begin with a.bias");
}

TEST_CASE("a network that lacks a tensor says which were left out for their types") {
  const TemporaryFolder folder;
  ConvertOptions options{.output = folder.path("o.h5")};
  options.config_file = folder.write("c.yaml", settings);
  // By out.2.weight a U-Net is recognised; another is missed later, by who accepts it.
  for (const std::string name : {"out.2.weight", "input_blocks.0.0.weight"}) {
    options.checkpoint = folder.write("u.pt", unet_checkpoint([&](Crafted& c) {
                                        for (CraftedTensor& t : c.tensors)
                                          if (t.name == name) c.storages[t.storage].type = "IntStorage";
                                      }));
    check_says(error_of([&] { convert_checkpoint(options); }), name + " (torch.IntStorage)");
  }
}

TEST_CASE("float64 that float32 cannot hold is refused, the large and the small") {
  for (const double scale : {1e300, 1e-60, 1e-300}) {
    Crafted c = two_tensors();
    c.storages[0].type = "DoubleStorage";
    c.storages[0].bytes = bytes_of<double>({scale, -2 * scale, 0, scale, scale, scale});
    const Checkpoint checkpoint = open(zip_of(c));
    const TensorEntry* tensor = checkpoint.tensors().data();
    while (tensor->element != Element::f64) ++tensor;
    check_says(error_of([&] { checkpoint.read(*tensor); }), scale > 1 ? "too large for f32" : "as f32");
  }
}

TEST_CASE("the program refuses what no program can use, before it writes") {
  const TemporaryFolder folder;
  const auto refusal = [&](const auto& change, const std::string& extra) {
    const std::string checkpoint = folder.write("u.pt", unet_checkpoint(change));
    const std::string config = folder.write("c.yaml", settings + extra);
    const Run result =
        run(word(checkpoint) + " " + word(folder.path("o.h5")) + " --force --config " + word(config));
    CHECK(result.status == (folder.files().size() == 2 ? 2 : 0));
    std::remove(folder.path("o.h5").c_str());
    return result.output.substr(0, result.output.find('\n'));
  };
  const auto nothing = [](Crafted&) {};
  const auto index = [](Crafted& c, const std::string& name) {
    for (std::size_t i = 0; i < c.tensors.size(); ++i)
      if (c.tensors[i].name == name) return i;
    FAIL(name);
    return std::size_t{0};
  };
  check_says(
      refusal(
          [&](Crafted& c) {
            c.tensors.erase(c.tensors.begin() + std::ptrdiff_t(index(c, "middle_block.0.in_layers.0.bias")));
          },
          ""),
      "there is no tensor middle_block.0.in_layers.0.bias, expected one of shape (32)");
  check_says(
      refusal([&](Crafted& c) { c.tensors[index(c, "middle_block.0.in_layers.0.bias")].name = "betas"; }, ""),
      "there is no tensor middle_block.0.in_layers.0.bias");
  check_says(refusal(
                 [](Crafted& c) {
                   c.tensors.push_back(c.tensors[0]);
                   c.tensors.back().name = "betas";
                 },
                 ""),
             "the tensor betas of shape ");
  check_says(refusal(
                 [&](Crafted& c) {
                   CraftedTensor& t = c.tensors[index(c, "middle_block.2.out_layers.0.weight")];
                   t.extents = {16, 2};
                   t.strides = {2, 1};
                 },
                 ""),
             "the tensor middle_block.2.out_layers.0.weight has shape (16, 2), expected (32)");
  check_says(refusal(nothing, "predict_xstart: true\n"), "predicts start_x, expected epsilon");
  check_says(refusal(nothing, "model_mean_type: previous_x\n"), "predicts previous_x, expected epsilon");
  for (const char* steps : {"2", "10", "20"})
    check_says(refusal(nothing, std::string("steps: ") + steps + "\n"), "too few steps for this schedule");
  CHECK(refusal(nothing, "steps: 21\n").ends_with("parameters"));
  CHECK(refusal(nothing, "steps: 10\nnoise_schedule: cosine\n").ends_with("parameters"));
  CHECK(refusal(nothing, "").ends_with("parameters"));
}

TEST_CASE("a stored type that cannot hold small values is refused, as one that cannot hold large ones") {
  const TemporaryFolder folder;
  const auto error = [&](float value, Element dtype) {
    const auto change = [&](Crafted& c) {
      c.storages.back().bytes =
          bytes_of(std::vector<float>(static_cast<std::size_t>(c.storages.back().count), value));
    };
    ConvertOptions options{.checkpoint = folder.write("u.pt", unet_checkpoint(change)),
                           .output = folder.path("o.h5")};
    options.config_file = folder.write("c.yaml", settings);
    options.overwrite = true;
    options.dtype = dtype;
    return error_of([&] { convert_checkpoint(options); });
  };
  check_says(error(1e-9F, Element::f16),
             "loses 100 % of its norm as f16: its values are too small; store it as bf16");
  check_says(error(-1e-9F, Element::f16), "loses 100 % of its norm as f16");
  check_says(error(2e-7F, Element::f16), "% of its norm as f16");  // between two numbers of the type
  check_says(error(1e-42F, Element::bf16),
             "% of its norm as bf16: its values are too small; store it as f32");
  check_says(error(1e5F, Element::f16), "too large for f16");
  for (const float fine : {0.F, 6.1e-5F, 1e-4F, 0.3337F, 6e4F}) CHECK(error(fine, Element::f16) == "");
  CHECK(error(1e-9F, Element::bf16) == "");
  CHECK(error(1e-42F, Element::f32) == "");
}

TEST_CASE("the program: one line for each mistake, exit code 2, nothing written") {
  const TemporaryFolder folder;
  const ConvertOptions options = fixture("unet_small", folder);
  const std::string files = word(options.checkpoint) + " " + word(options.output);
  const std::pair<std::string, const char*> mistakes[] = {
      {"", "CHECKPOINT is required"},
      {files, "do not determine: image_size"},
      {files + " --preset nosuch", "unknown preset nosuch"},
      {files + " --preset ffhq256 --config x", "excludes"},
      {files + " --config " + word(folder.path("none.yaml")), "cannot read this configuration file"},
      {files + " --dtype f8", "--dtype"},
      {files + " --compress 12", "--compress"},
      {word(folder.path("none.pt")) + " " + word(options.output), "No such file"},
      {word(data) + " " + word(options.output), "not a regular file"},
      {word(options.config_file) + " " + word(options.output), "not a checkpoint"},
  };
  for (const auto& [arguments, text] : mistakes) {
    const Run result = run(arguments);
    CAPTURE(arguments);
    CHECK(result.status == 2);
    CHECK(result.output.starts_with("tweedie-convert: error: "));
    REQUIRE(!result.output.empty());
    CHECK(result.output.back() == '\n');
    check_says(result.output.substr(0, result.output.size() - 1), text);
  }
  CHECK(folder.files().empty());
}

TEST_CASE("the program: a summary as text and as JSON") {
  const TemporaryFolder folder;
  const ConvertOptions options = fixture("unet_classcond", folder);
  const std::string arguments =
      word(options.checkpoint) + " " + word(options.output) + " --config " + word(options.config_file);
  const Run text = run(arguments);
  CHECK(text.status == 0);
  CHECK(text.output.find("275 tensors, 1,190,785 parameters") != std::string::npos);
  CHECK(run(arguments).status == 2);
  const Run as_json = run(arguments + " --force --json --dtype f16 --compress 9");
  CHECK(as_json.status == 0);
  const json summary = json::parse(as_json.output);
  CHECK(summary.at("parameters") == 1190785);
  CHECK(summary.at("config").at("num_classes") == 10);
  CHECK(run("--help").status == 0);
}
