// Networks written for other frameworks, and weight files as what is converted.
#include "weights/checkpoints/state_dict_writer.hpp"

#include <cmath>
#include <filesystem>
#include <optional>

#include "tests/weights/crafted.hpp"
#include "weights/convert.hpp"
#include "weights/weight_file.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

const std::string folder_of_data = TWEEDIE_TEST_DATA "/unet_small/";

/// The recorded network as a weight file; its name.
std::string weight_file(const TemporaryFolder& folder) {
  ConvertOptions options{.checkpoint = folder_of_data + "checkpoint.pt", .output = folder.path("u.h5")};
  options.config_file = folder_of_data + "model_config.json";
  convert_checkpoint(options);
  return options.output;
}

ConvertReport convert(const std::string& from, const std::string& to,
                      std::optional<Element> dtype = std::nullopt) {
  ConvertOptions options{.checkpoint = from, .output = to};
  options.format = format_of_name(to);
  options.dtype = dtype;
  return convert_checkpoint(options);
}

}  // namespace

TEST_CASE("a network goes out as pt and safetensors and comes back with the same bits") {
  const TemporaryFolder folder;
  WeightFile original(weight_file(folder));
  for (const auto& [name, container] : {std::pair{"u.pt", "PyTorch zip"}, {"u.safetensors", "safetensors"}}) {
    CAPTURE(name);
    const ConvertReport report = convert(folder.path("u.h5"), folder.path(name));
    CHECK(report.container == "weight file");
    CHECK(report.source.starts_with("checkpoint.pt sha256:"));  // where the network came from at first
    const Checkpoint written(open_file(folder.path(name)));
    CHECK(written.container() == container);
    REQUIRE(written.tensors().size() == original.keys().size());
    for (const TensorEntry& tensor : written.tensors()) {
      CHECK(tensor.element == Element::f32);
      CHECK(written.read(tensor) == original.read(tensor.name, tensor.extents));
    }
    // A state dict made twice is the same file.
    convert(folder.path("u.h5"), folder.path(std::string("again_") + name));
    CHECK(read_file(folder.path(name)) == read_file(folder.path(std::string("again_") + name)));
  }
  CHECK(folder.files().size() == 5);  // nothing waits beside them
}

TEST_CASE("sixteen bits a number in every format, each rounded to nearest") {
  const TemporaryFolder folder;
  WeightFile original(weight_file(folder));
  for (const Element element : {Element::f16, Element::bf16})
    for (const char* extension : {".pt", ".safetensors", ".h5"}) {
      const std::string path = folder.path(std::string(element_name(element)) + extension);
      CAPTURE(path);
      convert(folder.path("u.h5"), path, element);
      const std::string key = "time_embed.0.weight";
      std::vector<float> found;
      if (path.ends_with(".h5")) {
        WeightFile file(path);
        CHECK(file.element(key) == element);
        CHECK(file.header().config == original.header().config);
        found = file.read(key, {128, 32});
      } else {
        found = values_of(Checkpoint(open_file(path)), key);
      }
      std::vector<float> expected = original.read(key, {128, 32});
      for (float& value : expected)
        value = element == Element::f16 ? float_from_half(half_from_float(value))
                                        : float_from_bfloat16(bfloat16_from_float(value));
      CHECK(found == expected);
    }
}

TEST_CASE("tensors of no elements, of one and of no axis") {
  const TemporaryFolder folder;
  for (const bool torch : {true, false}) {
    const std::string path = folder.path(torch ? "t.pt" : "t.safetensors");
    const auto output = torch ? write_torch(path) : write_safetensors(path);
    output->write("none", {0, 3}, {}, Element::f32);
    output->write("scalar", {}, std::vector{2.5F}, Element::f32);
    output->write("one.weight", {1, 1, 1}, std::vector{-1.F}, Element::f16);
    check_says(error_of([&] { output->write("scalar", {}, std::vector{1.F}, Element::f32); }),
               "the tensor scalar is written twice");
    check_says(error_of([&] { output->write("nan", {}, std::vector{NAN}, Element::f32); }), "nan");
    CHECK(!std::filesystem::exists(path));
    output->commit();
    const Checkpoint read(open_file(path));
    CHECK(read.tensors().size() == 3);
    CHECK(values_of(read, "none").empty());
    CHECK(values_of(read, "scalar") == std::vector{2.5F});
    CHECK(values_of(read, "one.weight") == std::vector{-1.F});
    check_says(error_of([&] { write_torch(path); }), "exists already");
  }
}

TEST_CASE("a weight file needs no configuration, and other formats no compression") {
  const TemporaryFolder folder;
  ConvertOptions options{.checkpoint = weight_file(folder), .output = folder.path("o.pt")};
  options.preset = "ffhq256";
  check_says(error_of([&] { convert_checkpoint(options); }), "is a weight file and says what its network is");
  options.preset.clear();
  options.format = NetworkFormat::torch;
  options.compression = 4;
  check_says(error_of([&] { convert_checkpoint(options); }), "--compress: only weight files");
  CHECK(folder.files() == std::vector<std::string>{"u.h5"});
}
