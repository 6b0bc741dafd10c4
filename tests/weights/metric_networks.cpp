// The networks of metrics as other people publish them: recognised, renamed, completed, refused.
#include "weights/metric_networks.hpp"

#include <cmath>
#include <numeric>

#include "tests/weights/crafted.hpp"
#include "weights/random_source.hpp"

using namespace tweedie;

namespace {

std::string error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TensorEntry tensor(const std::string& name) {
  TensorEntry entry;
  entry.name = name;
  return entry;
}

}  // namespace

TEST_CASE("the linear layers of LPIPS are v0.1's") {
  struct Row {
    const char* net;
    std::vector<int> channels;
    std::vector<double> sums;
    std::vector<int> positive;
  };
  // Computed from the published files by another reader.
  const Row rows[] = {{"alex",
                       {64, 192, 384, 256, 256},
                       {2.34953, 16.143, 39.2684, 27.1972, 20.3172},
                       {29, 137, 347, 238, 251}},
                      {"vgg",
                       {64, 128, 256, 512, 512},
                       {6.92599, 8.85833, 17.515, 51.5213, 47.0349},
                       {64, 128, 256, 512, 512}},
                      {"squeeze",
                       {64, 128, 256, 384, 384, 512, 512},
                       {5.6901, 1.18528, 16.3266, 71.0126, 37.3707, 24.2629, 17.5906},
                       {51, 101, 238, 374, 367, 490, 500}}};
  for (const Row& row : rows) {
    const auto source = published_linear_source(row.net);
    for (std::size_t k = 0; k < row.sums.size(); ++k) {
      CAPTURE(row.net);
      CAPTURE(k);
      const std::string key = "lin" + std::to_string(k) + ".model.1.weight";
      CHECK(source->has(key));
      const std::vector<float> values = source->read(key, {1, row.channels[k], 1, 1});
      const double sum = std::accumulate(values.begin(), values.end(), 0.0);
      CHECK(std::abs(sum - row.sums[k]) < 1e-5 * row.sums[k]);  // the row gives six digits
      CHECK(std::count_if(values.begin(), values.end(), [](float v) { return v > 0; }) == row.positive[k]);
      CHECK(std::none_of(values.begin(), values.end(), [](float v) { return v < 0; }));
    }
    CHECK(published_linear_layers(row.net).tensors().size() == row.sums.size());
  }
  CHECK_THROWS_AS(published_linear_layers("resnet"), Error);
}

TEST_CASE("classifiers and a saved LPIPS are recognised by their tensors") {
  const TensorShapes alex{{"features.0.weight", {64, 3, 11, 11}}, {"features.10.weight", {256, 256, 3, 3}}};
  const TensorShapes vgg{{"features.0.weight", {64, 3, 3, 3}}, {"features.28.weight", {512, 512, 3, 3}}};
  const TensorShapes squeeze{{"features.12.squeeze.weight", {64, 512, 1, 1}}};
  CHECK(metric_architecture(alex, "x") == "lpips_alex");
  CHECK(metric_architecture(vgg, "x") == "lpips_vgg");
  CHECK(metric_architecture(squeeze, "x") == "lpips_squeeze");
  CHECK(!metric_architecture({{"features.0.weight", {64, 3, 7, 7}}}, "x"));
  TensorShapes saved{{"net.slice5.28.weight", {512, 512, 3, 3}},
                     {"lin0.model.1.weight", {1, 64, 1, 1}},
                     {"scaling_layer.shift", {1, 3, 1, 1}}};
  CHECK(metric_architecture(saved, "x") == "lpips_vgg");
  saved.erase("scaling_layer.shift");
  CHECK(error_of([&] { metric_architecture(saved, "x.pth"); }) ==
        "x.pth: LPIPS v0.0, whose images are not scaled; v0.1 is what papers print");
}

TEST_CASE("FID's Inception is told from torchvision's") {
  TensorShapes shapes{{"Mixed_7c.branch_pool.conv.weight", {192, 2048, 1, 1}}, {"fc.weight", {1008, 2048}}};
  CHECK(metric_architecture(shapes, "x") == "inception_fid");
  shapes["fc.weight"] = {1000, 2048};
  const std::string text = error_of([&] { metric_architecture(shapes, "x.pth"); });
  CHECK(text.starts_with("x.pth: an Inception, but not the one of 2015-12-05 with 1008 classes"));
  CHECK(text.find("pt_inception-2015-12-05-6726825d.pth") != std::string::npos);
}

TEST_CASE("a saved LPIPS loses its wrappers' names and its copies") {
  std::vector<std::string> notices;
  const auto kept = lpips_tensors(
      {tensor("scaling_layer.shift"), tensor("net.slice2.7.weight"), tensor("net.slice1.0.bias"),
       tensor("lin0.model.1.weight"), tensor("lins.0.model.1.weight"), tensor("classifier.6.bias")},
      notices);
  REQUIRE(kept.size() == 3);
  CHECK(kept[0].name == "features.7.weight");
  CHECK(kept[1].name == "features.0.bias");
  CHECK(kept[2].name == "lin0.model.1.weight");
  CHECK(notices == std::vector<std::string>{"3 tensors left out that LPIPS does not use"});
}

TEST_CASE("weights by a formula: examples worked out by hand") {
  FilledSource source;
  const auto value = [&](const char* key, const Extents& extents, std::size_t i) {
    return source.read(key, extents).at(i);
  };
  CHECK(value("features.0.weight", {64, 3, 3, 3}, 0) == 0.33541137f);
  CHECK(value("Mixed_6b.branch7x7_2.conv.weight", {128, 128, 1, 7}, 1000) == 0.0586666614f);
  CHECK(value("Conv2d_1a_3x3.bn.running_var", {32}, 31) == 0.95392406f);
  CHECK(value("features.0.bias", {64}, 5) == 0.0953481272f);
  CHECK(value("lin2.model.1.weight", {1, 256, 1, 1}, 100) == 0.00243542134f);
  for (const float v : source.read("x.bn.weight", {50})) CHECK((v >= 0.8f && v < 1.2f));
  for (const float v : source.read("x.bn.running_mean", {50})) CHECK(std::abs(v) <= 0.2f);
}
