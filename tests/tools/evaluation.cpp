// Which images belong together, and what is made of their numbers.
#include "tools/metrics/evaluation.hpp"

#include <cmath>
#include <filesystem>

#include "tests/tools/files_for_tests.hpp"
#include "tools/report.hpp"
#include "weights/convert.hpp"
#include "weights/metric_networks.hpp"
#include "weights/random_source.hpp"

namespace tweedie::test {
namespace {

using metrics::paired;

struct Folders {
  TemporaryFolder folder;
  std::string a = folder / "a", b = folder / "b";
  Folders() {
    std::filesystem::create_directory(a);
    std::filesystem::create_directory(b);
  }
  void write(const std::string& in, const std::string& name, float value, int side = 16) const {
    write_png(in + "/" + name + ".png", uniform_image(3, side, side, value));
  }
};

// A safetensors file of those tensors, filled by the formula.
void write_safetensors(const std::string& path, const std::vector<std::pair<std::string, Extents>>& tensors) {
  FilledSource source;
  Json header = Json::object();
  std::string values;
  for (const auto& [name, extents] : tensors) {
    const std::vector<float> tensor = source.read(name, extents);
    const std::size_t begin = values.size();
    values.append(reinterpret_cast<const char*>(tensor.data()), tensor.size() * sizeof(float));
    header[name] = {{"dtype", "F32"}, {"shape", extents}, {"data_offsets", {begin, values.size()}}};
  }
  const std::string text = header.dump();
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += char(text.size() >> (8 * i));
  write_bytes(path, bytes + text + values);
}

// torchvision's squeezenet1_1 as far as it is used, with one layer of its classifier.
std::vector<std::pair<std::string, Extents>> squeezenet() {
  std::vector<std::pair<std::string, Extents>> tensors{
      {"features.0.weight", {64, 3, 3, 3}}, {"features.0.bias", {64}}, {"classifier.1.bias", {1000}}};
  const std::int64_t fires[][4] = {{3, 64, 16, 64},    {4, 128, 16, 64},  {6, 128, 32, 128},
                                   {7, 256, 32, 128},  {9, 256, 48, 192}, {10, 384, 48, 192},
                                   {11, 384, 64, 256}, {12, 512, 64, 256}};
  for (const auto& [index, in, squeeze, expand] : fires) {
    const std::string fire = "features." + std::to_string(index) + ".";
    const auto add = [&](const std::string& name, std::int64_t out, std::int64_t from, std::int64_t kernel) {
      tensors.push_back({fire + name + ".weight", {out, from, kernel, kernel}});
      tensors.push_back({fire + name + ".bias", {out}});
    };
    add("squeeze", squeeze, in, 1);
    add("expand1x1", expand, squeeze, 1);
    add("expand3x3", expand, squeeze, 3);
  }
  return tensors;
}

metrics::EvaluationOptions options(const Folders& f, const std::string& names) {
  return {f.a, f.b, metrics::parse_metrics(names), ".", false, true, 0};
}

}  // namespace

TEST_CASE("images are paired by name; what has no partner is named") {
  const auto pairs = paired({"a/2.png", "a/1.png"}, {"b/1.jpg", "b/2.tif"}, false);
  REQUIRE(pairs.size() == 2);
  CHECK(pairs[0].name == "1");
  CHECK(pairs[0].image == "a/1.png");
  CHECK(pairs[0].reference == "b/1.jpg");
  CHECK(paired({"x.png"}, {"y.png"}, false).at(0).reference == "y.png");
  CHECK(error_of([] {
          paired({"a/1.png", "a/2.png"}, {"b/1.png"}, false);
        }) == "a/2.png: has no partner named 2 among the references; --common leaves such images out");
  CHECK(error_of([] {
          paired({"a/1.png"}, {"b/1.png", "b/3.png"}, false);
        }) == "b/3.png: has no partner named 3 among the images; --common leaves such images out");
  CHECK(paired({"a/1.png", "a/2.png"}, {"b/2.png", "b/3.png"}, true).size() == 1);
  CHECK(error_of([] {
          paired({"a/1.png", "a/1.jpg"}, {"b/1.png"}, false);
        }) == "a/1.png and a/1.jpg have one name: which is meant?");
  CHECK(error_of([] {
          paired({"a/1.png", "a/2.png"}, {"b/3.png"}, true);
        }) == "no two images have the same name, such as a/1.png and b/3.png");
}

TEST_CASE("means leave out equal images, and say how many; pooled PSNR does not") {
  const Folders f;
  const float dark = -1, level = 2.f / 255 - 1;  // 0 and 1 of 255
  f.write(f.a, "equal", dark);
  f.write(f.b, "equal", dark);
  f.write(f.a, "near", level);
  f.write(f.b, "near", dark);
  Context context(Device::cpu);
  const metrics::Evaluation e = metrics::evaluate(context, options(f, "psnr,psnr-pooled,ssim"));
  REQUIRE(e.scores.size() == 3);
  const double of_one = 20 * std::log10(255.0);
  CHECK(e.scores[0].infinite == 1);
  CHECK(e.scores[0].mean == doctest::Approx(of_one).epsilon(1e-6));
  CHECK(!e.scores[0].deviation);
  CHECK(std::isinf(e.scores[0].values[0]));
  CHECK(e.scores[1].mean == doctest::Approx(of_one + 10 * std::log10(2.0)).epsilon(1e-6));
  CHECK(e.scores[2].values[0] == 1);
  CHECK(e.scores[2].deviation.has_value());
}

TEST_CASE("a missing network is an error that says what to get, before anything is read") {
  const Folders f;
  Context context(Device::cpu);
  f.write(f.a, "x", 0);
  f.write(f.b, "x", 0);
  for (const auto& [metric, file] : {std::pair{"lpips-vgg", "vgg16-397923af.pth"},
                                     {"lpips-piq-avgpool", "vgg16-397923af.pth"},
                                     {"lpips-alex", "alexnet-owt-7be5be79.pth"},
                                     {"lpips-squeeze", "squeezenet1_1-b8a52dc0.pth"},
                                     {"fid", "pt_inception-2015-12-05-6726825d.pth"},
                                     {"kid-clean", "pt_inception-2015-12-05-6726825d.pth"}}) {
    auto o = options(f, metric);
    o.networks = f.folder / "none";
    const std::string text = error_of([&] { metrics::evaluate(context, o); });
    CHECK(text.find(std::string("get ") + file) != std::string::npos);
    CHECK(text.find(std::string("tweedie-convert ") + file) != std::string::npos);
  }
}

TEST_CASE("a classifier becomes a LPIPS, by conversion alone") {
  const Folders f;
  write_safetensors(f.folder / "squeezenet1_1.safetensors", squeezenet());
  ConvertOptions convert;
  convert.checkpoint = f.folder / "squeezenet1_1.safetensors";
  convert.output = f.folder / "lpips_squeeze.h5";
  const ConvertReport report = convert_checkpoint(convert);
  CHECK(report.architecture == "lpips_squeeze");
  CHECK(report.parameters == 722496 + 64 + 128 + 256 + 384 + 384 + 512 + 512);
  const Image photograph = read_image(TWEEDIE_TEST_DATA "/images/coffee.png");
  const Image x = crop(photograph, 0, 0, 48, 40), y = crop(photograph, 3, 2, 48, 40);
  write_png(f.a + "/x.png", x);
  write_png(f.b + "/x.png", y);
  Context context(Device::cpu);
  auto o = options(f, "lpips-squeeze");
  o.networks = f.folder.path();
  const double value = metrics::evaluate(context, o).scores.at(0).mean;

  FilledSource trunk;
  const auto linear = published_linear_source("squeeze");
  const Lpips direct(context, WeightScope(trunk), WeightScope(*linear), {Trunk::squeeze});
  const auto upload = [&](const Image& image) { return context.upload({1, 3, 48, 40}, image.data); };
  // Images pass through files of 8 bits, from which they came, and two roundings of float32.
  CHECK(value == doctest::Approx(direct.forward(upload(x), upload(y)).at(0)).epsilon(1e-5));
  CHECK(value > 1e-4);
}

TEST_CASE("evaluation names the images that do not fit") {
  const Folders f;
  Context context(Device::cpu);
  f.write(f.a, "x", 0, 16);
  f.write(f.b, "x", 0, 17);
  CHECK(error_of([&] { metrics::evaluate(context, options(f, "psnr")); }) ==
        f.a + "/x.png and " + f.b +
            "/x.png: mse of a 16 x 16, 3-channel and a 17 x 17, 3-channel image: expected "
            "the same size");
  auto o = options(f, "psnr");
  o.references = TWEEDIE_TEST_DATA "/metrics/statistics.npz";
  CHECK(error_of([&] { metrics::evaluate(context, o); }) ==
        o.references + ": statistics hold no images, and only FID can be measured against them");
}

TEST_CASE("metrics are known by name") {
  CHECK(metrics::parse_metrics("fid,kid").at(1).name == "kid-fidelity");
  CHECK(error_of([] { metrics::parse_metrics("psnr,psnr"); }) == "the metric psnr is asked for twice");
  CHECK(error_of([] {
          metrics::parse_metrics("psnr,");
        }).starts_with("there is no metric ''; there are psnr, "));
  // Each can be made, or says which network it lacks; no two share a name.
  Context context(Device::cpu);
  std::vector<std::string> names;
  for (const metrics::Metric& m : metrics::catalogue()) {
    CHECK(std::find(names.begin(), names.end(), m.name) == names.end());
    names.push_back(m.name);
    if (m.of == metrics::Of::sets) {
      CHECK(!metrics::set_metric(m).input.empty());
    } else if (m.name.starts_with("lpips")) {
      CHECK_THROWS_AS(metrics::make_pair_metric(context, m, "/nonexistent"), Error);
    } else {
      const metrics::Planes x{3, 16, 16, std::vector<double>(768, 0.5)};
      CHECK(!std::isnan(metrics::make_pair_metric(context, m, "/nonexistent")(x, x)));
    }
  }
}

}  // namespace tweedie::test
