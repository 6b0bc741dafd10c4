// The tensors a U-Net asks for, and what it refuses.
#include <cstdlib>
#include <filesystem>

#include "layers/network_tensors.hpp"
#include "tests/layers/small_unets.hpp"
#include "tests/weights/unet_topology.hpp"
#include "tools/network.hpp"
#include "weights/weight_file.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

/// Zeros of any shape, counted.
class Zeros final : public TensorSource {
 public:
  bool has(const std::string&) const override { return true; }
  std::vector<float> read(const std::string& key, const Extents& expected) override {
    shapes[key] = expected;
    return std::vector<float>(std::size_t(element_count(expected)), 0.f);
  }
  void require_all_used() const override {}
  TensorShapes shapes;
};

void check_preset(const char* name, std::int64_t parameters, std::size_t tensors) {
  CAPTURE(name);
  Context context(Device::cpu);
  Zeros zeros;
  const UNetConfig config = preset(name).unet;
  const UNet unet(context, WeightScope(zeros), config);
  CHECK(unet.parameters() == parameters);
  CHECK(zeros.shapes.size() == tensors);
  CHECK(zeros.shapes == unet_tensors(config));
  CHECK(zeros.shapes == tensors_of(config));
}

/// A folder that is empty at first and gone afterwards.
struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "tweedie-layers-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

// A weight file of a small network with some tensors changed: empty extents leave one out.
std::string write_weights(const Folder& folder, const UNetConfig& config,
                          const std::map<std::string, Extents>& changes) {
  const std::string path = (folder.path / "w.h5").string();
  WeightFileOptions options;
  options.overwrite = true;
  DiffusionConfig diffusion;
  diffusion.learn_sigma = config.learn_sigma();
  WeightFileWriter writer(path, {"guided_diffusion_unet", to_json(config), to_json(diffusion), "a test"},
                          options);
  TensorShapes shapes = unet_tensors(config);
  for (const auto& [key, extents] : changes) shapes[key] = extents;
  for (const auto& [key, extents] : shapes)
    if (!extents.empty())
      writer.write(key, extents, std::vector<float>(std::size_t(element_count(extents)), 0.25f));
  writer.commit();
  return path;
}

std::string refusal(const std::string& path) {
  Context context(Device::cpu);
  try {
    load_network(context, path);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void check_says(const std::string& message, const std::vector<std::string>& parts) {
  CHECK(message.find('\n') == std::string::npos);
  for (const std::string& part : parts)
    CHECK_MESSAGE(message.find(part) != std::string::npos, "'", message, "' does not say '", part, "'");
}

}  // namespace

TEST_CASE("a U-Net asks for the tensors of guided-diffusion's UNetModel, each once") {
  for (const NamedConfig& each : small_unets()) {
    CAPTURE(each.name);
    TestSource source;
    const SmallUNet unet(Device::cpu, each.config, source);
    CHECK(source.asked() == unet_tensors(each.config));
    CHECK(unet.net->parameters() == parameter_count(unet_tensors(each.config)));
  }
}

TEST_CASE("the published FFHQ network has 93,563,910 parameters") { check_preset("ffhq256", 93563910, 362); }

// 5 GB of memory for a while: on request.
TEST_CASE("the published ImageNet network has 552,814,086 parameters" *
          doctest::skip(std::getenv("TWEEDIE_TEST_LARGE") == nullptr)) {
  check_preset("imagenet256", 552814086, 566);
}

TEST_CASE("weight files that are not the network's are refused by the tensor's name") {
  const Folder folder;
  const UNetConfig config = small_unets()[0].config;
  const auto with = [&](const char* key, const Extents& extents) {
    return refusal(write_weights(folder, config, {{key, extents}}));
  };
  CHECK(refusal(write_weights(folder, config, {})).empty());
  check_says(with("middle_block.1.qkv.weight", {}), {"middle_block.1.qkv.weight", "there is no tensor"});
  check_says(with("input_blocks.0.0.weight", {32, 3, 1, 1}),
             {"input_blocks.0.0.weight", "(32, 3, 1, 1)", "(32, 3, 3, 3)"});
  check_says(with("out.0.bias", {64}), {"out.0.bias", "(64)", "(32)"});
  check_says(with("label_emb.weight", {5, 128}), {"label_emb.weight"});
}

TEST_CASE("inputs the network cannot take are refused") {
  SmallUNet unet(Device::cpu, small_unets()[0].config);
  const auto refused = [&](Shape shape, const std::vector<float>& t, const std::vector<std::string>& parts) {
    std::string said;
    try {
      unet.forward(random_values(shape.size(), 1), shape, t);
    } catch (const Error& error) {
      said = error.what();
    }
    check_says(said, parts);
  };
  refused({1, 3, 15, 16}, {1}, {"15x16", "multiples of 2"});
  refused({1, 3, 16, 9}, {1}, {"16x9", "multiples of 2"});
  refused({1, 1, 16, 16}, {1}, {"1 channels", "expected 3"});
  refused({2, 3, 16, 16}, {1}, {"1 timesteps", "2 samples"});
  CHECK_THROWS_WITH_AS(unet.net->set_labels({0}), doctest::Contains("not class-conditional"), Error);

  SmallUNet classes(Device::cpu, small_unets()[3].config);
  const std::vector<float> x = random_values(2 * 16 * 16, 1);
  const std::vector<float> t = {1, 2};
  const auto run = [&] { return classes.forward(x, {2, 1, 16, 16}, t); };
  CHECK_THROWS_WITH_AS(run(), doctest::Contains("2 samples need 2 labels or one, got 0"), Error);
  CHECK_THROWS_WITH_AS(classes.net->set_labels({5}), doctest::Contains("class label 5: expected 0 to 4"),
                       Error);
  CHECK_THROWS_WITH_AS(classes.net->set_labels({-2}), doctest::Contains("class label -2"), Error);
  classes.net->set_labels({1, 2, 3});
  CHECK_THROWS_WITH_AS(run(), doctest::Contains("got 3"), Error);
}

TEST_CASE("a saved state serves one backward, of a cotangent of the output's shape") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    SmallUNet unet(device, small_unets()[0].config);
    const Shape shape{1, 3, 16, 16};
    const Tensor x = unet.context.upload(shape, random_values(shape.size(), 1));
    const std::vector<float> t = {5};
    const auto used_up = doctest::Contains("U-Net: a backward without a forward before it");
    const std::unique_ptr<Saved> saved = unet.net->make_saved();
    CHECK_THROWS_WITH_AS(unet.net->backward(x, *saved), used_up, Error);
    unet.net->forward(x, t, saved.get());
    CHECK_THROWS_WITH_AS(unet.net->backward(unet.context.planar({1, 3, 8, 8}), *saved),
                         doctest::Contains("cotangent (1, 3, 8, 8) does not belong"), Error);
    CHECK_THROWS_WITH_AS(unet.net->backward(unet.context.planar({1, 4, 16, 16}), *saved),
                         doctest::Contains("does not belong"), Error);
    unet.net->backward(x, *saved);
    CHECK_THROWS_WITH_AS(unet.net->backward(x, *saved), used_up, Error);
    Saved stranger;
    CHECK_THROWS_WITH_AS(unet.net->forward(x, t, &stranger),
                         doctest::Contains("U-Net: the saved state of another kind of object"), Error);
  }
}

TEST_CASE("two evaluations of one network are alive at once") {
  for (const Device device : backends())
    for (const NamedConfig& each : small_unets()) {
      CAPTURE(std::string(name(device)));
      CAPTURE(each.name);
      SmallUNet unet(device, each.config);
      unet.label(2);
      const Shape shape{2, each.config.in_channels, 16, 16};
      const std::vector<float> first = random_values(shape.size(), 1),
                               second = random_values(shape.size(), 2), w = random_values(shape.size(), 3),
                               early = {5, 700}, late = {30, 2};
      const std::vector<float> alone[] = {unet.pull_back(first, shape, early, w),
                                          unet.pull_back(second, shape, late, w)};
      const std::unique_ptr<Saved> a = unet.net->make_saved(), b = unet.net->make_saved();
      unet.net->forward(unet.context.upload(shape, first), early, a.get());
      unet.net->forward(unet.context.upload(shape, second), late, b.get());
      unet.net->forward(unet.context.upload(shape, w), early);  // and inference in between
      const Tensor cotangent = unet.context.upload(shape, w);
      check_equal("first", unet.context.download(unet.net->backward(cotangent, *a)), alone[0]);
      check_equal("second", unet.context.download(unet.net->backward(cotangent, *b)), alone[1]);
    }
}
