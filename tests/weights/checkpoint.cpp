// Sound checkpoints in every shape they come in.
#include "weights/checkpoints/checkpoint.hpp"

#include <algorithm>

#include "tests/weights/crafted.hpp"
#include "weights/element.hpp"

using namespace tweedie;
using namespace tweedie::test;

using Floats = std::vector<float>;

TEST_CASE("both PyTorch containers and safetensors hold the same tensors") {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a.bias":{"dtype":"F32","shape":[4],"data_offsets":[24,40]},)"
      R"("a.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})";
  const std::string data = bytes_of<float>({0, 1, 2, 3, 4, 5, 10, 11, 12, 13});
  const std::pair<std::string, std::string> files[] = {{"PyTorch zip", zip_of(two_tensors())},
                                                       {"PyTorch legacy", legacy_of(two_tensors())},
                                                       {"safetensors", safetensors_of(header, data)}};
  for (const auto& [kind, bytes] : files) {
    CAPTURE(kind);
    const Checkpoint c = open(bytes);
    CHECK(c.container() == kind);
    CHECK(c.notices().empty());
    REQUIRE(c.tensors().size() == 2);
    CHECK(c.tensors()[0].name == "a.weight");  // the file's order
    CHECK(c.tensors()[0].extents == Extents{2, 3});
    CHECK(values_of(c, "a.weight") == Floats{0, 1, 2, 3, 4, 5});
    CHECK(values_of(c, "a.bias") == Floats{10, 11, 12, 13});
  }
}

TEST_CASE("the prefix of a zip's entries is arbitrary, and may be absent") {
  for (const char* prefix : {"archive", "some name", ""}) {
    Crafted c = two_tensors();
    c.prefix = prefix;
    CHECK(values_of(open(zip_of(c)), "a.bias") == Floats{10, 11, 12, 13});
  }
}

TEST_CASE("strides are followed: transposed, sliced, overlapping and expanded views") {
  for (const auto write : {zip_of, legacy_of}) {
    Crafted c = two_tensors();
    c.tensors = {{"transposed", 0, 0, {3, 2}, {1, 3}},
                 {"column", 0, 1, {2}, {3}},
                 {"last row", 0, 3, {1, 3}, {99, 1}},  // the stride of an extent of one says nothing
                 {"windows", 1, 0, {3, 2}, {1, 1}},
                 {"expanded", 1, 2, {2, 3}, {0, 0}},
                 {"number", 1, 3, {}, {}},
                 {"nothing", 1, 4, {0, 5}, {5, 1}}};
    const Checkpoint checkpoint = open(write(c));
    CHECK(values_of(checkpoint, "transposed") == Floats{0, 3, 1, 4, 2, 5});
    CHECK(values_of(checkpoint, "column") == Floats{1, 4});
    CHECK(values_of(checkpoint, "last row") == Floats{3, 4, 5});
    CHECK(values_of(checkpoint, "windows") == Floats{10, 11, 11, 12, 12, 13});
    CHECK(values_of(checkpoint, "expanded") == Floats{12, 12, 12, 12, 12, 12});
    CHECK(values_of(checkpoint, "number") == Floats{13});
    CHECK(values_of(checkpoint, "nothing").empty());
  }
}

TEST_CASE("float16, bfloat16 and float64 become float32") {
  const Floats numbers = {1, -2.5F, 0.125F, 3};
  std::vector<std::uint16_t> half;
  std::vector<std::uint16_t> brain;
  for (const float v : numbers) {
    half.push_back(half_from_float(v));
    brain.push_back(bfloat16_from_float(v));
  }
  Crafted c;
  c.storages = {{"0", "HalfStorage", 4, bytes_of(half)},
                {"1", "BFloat16Storage", 4, bytes_of(brain)},
                {"2", "DoubleStorage", 4, bytes_of<double>({1, -2.5, 0.125, 3})}};
  c.tensors = {{"half", 0, 0, {4}, {1}}, {"brain", 1, 0, {4}, {1}}, {"double", 2, 0, {2, 2}, {1, 2}}};
  for (const auto write : {zip_of, legacy_of}) {
    const Checkpoint checkpoint = open(write(c));
    CHECK(values_of(checkpoint, "half") == numbers);
    CHECK(values_of(checkpoint, "brain") == numbers);
    CHECK(values_of(checkpoint, "double") == Floats{1, 0.125F, -2.5F, 3});
  }
  const std::string header = R"({"h":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},)"
                             R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[8,16]}})";
  const Checkpoint safe = open(safetensors_of(header, bytes_of(half) + bytes_of(brain)));
  CHECK(values_of(safe, "h") == numbers);
  CHECK(values_of(safe, "b") == numbers);
}

TEST_CASE("a zip's byte order is obeyed") {
  Crafted c = two_tensors();
  c.byteorder = "little";
  CHECK(values_of(open(zip_of(c)), "a.bias") == Floats{10, 11, 12, 13});
  c.byteorder = "big";
  for (CraftedStorage& storage : c.storages)
    for (std::size_t at = 0; at < storage.bytes.size(); at += 4)
      std::reverse(storage.bytes.begin() + static_cast<std::ptrdiff_t>(at),
                   storage.bytes.begin() + static_cast<std::ptrdiff_t>(at) + 4);
  CHECK(values_of(open(zip_of(c)), "a.bias") == Floats{10, 11, 12, 13});
  CHECK(values_of(open(zip_of(c)), "a.weight") == Floats{0, 1, 2, 3, 4, 5});
}

TEST_CASE("module. is stripped when every tensor has it, parameters and devices make no difference") {
  Crafted c = two_tensors();
  c.location = "cuda:0";
  for (CraftedTensor& tensor : c.tensors) {
    tensor.name = "module." + tensor.name;
    tensor.parameter = true;
  }
  CHECK(values_of(open(zip_of(c)), "a.bias") == Floats{10, 11, 12, 13});
  c.tensors[0].name = "head";
  CHECK(values_of(open(zip_of(c)), "module.a.bias") == Floats{10, 11, 12, 13});
}

TEST_CASE("a state dict may be nested one level, beside other things") {
  for (const char* key : {"model", "state_dict", "model_state_dict", "ema"}) {
    Crafted c = two_tensors();
    c.nested_under = key;
    c.extra = Pickle().text("epoch").integer(7).text("lr").op('G').little(0xF03F, 8).body();
    const Checkpoint checkpoint = open(zip_of(c));
    CHECK(values_of(checkpoint, "a.weight") == Floats{0, 1, 2, 3, 4, 5});
    REQUIRE(checkpoint.notices().size() == 1);
    check_says(checkpoint.notices()[0], std::string("`") + key + "`");
    check_says(checkpoint.notices()[0], "epoch");
  }
  Crafted c = two_tensors();
  c.tensors.clear();
  c.nested_under = "generator";
  check_says(error_of([&] { open(zip_of(c)); }), "there are no tensors in it; it has generator");
}

TEST_CASE("what is no tensor is ignored with a notice; _metadata is attached, not contained") {
  Crafted c = two_tensors();
  c.extra = Pickle().text("version").integer(2).body();
  std::string pickle = pickle_of(c);
  pickle.pop_back();
  pickle += Pickle().op('}').text("_metadata").ordered_dict().op('s').op('b').body() + ".";
  const std::string file = zip_archive(
      {{"x/data.pkl", pickle}, {"x/data/0", c.storages[0].bytes}, {"x/data/1", c.storages[1].bytes}});
  const Checkpoint checkpoint = open(file);
  CHECK(checkpoint.tensors().size() == 2);
  REQUIRE(checkpoint.notices().size() == 1);
  check_says(checkpoint.notices()[0], "ignored, being no tensors: version");
}

TEST_CASE("integer tensors are listed but not read as weights") {
  Crafted c = two_tensors();
  c.storages.push_back({"2", "LongStorage", 1, bytes_of<std::int64_t>({5})});
  c.tensors.push_back({"num_batches_tracked", 2, 0, {}, {}});
  const Checkpoint checkpoint = open(legacy_of(c));
  REQUIRE(checkpoint.tensors().size() == 3);
  CHECK(checkpoint.tensors()[2].element == Element::other);
  check_says(error_of([&] { values_of(checkpoint, "num_batches_tracked"); }), "torch.LongStorage");
}
