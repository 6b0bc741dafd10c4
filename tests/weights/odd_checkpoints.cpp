// Odd checkpoints by the table: every kind in several members, each read as it should be or refused by name.
#include "tests/weights/crafted.hpp"

using namespace tweedie;
using namespace tweedie::test;

using Floats = std::vector<float>;

namespace {

const std::string layer = "input_blocks.0.0.weight";  // by which a U-Net is recognised

/// A tensor of storage 0 of `two_tensors` (0 to 5) or 1 (10 to 13), read as four numbers.
CraftedTensor four(const std::string& name, std::size_t storage) { return {name, storage, 0, {4}, {1}}; }

/// A dict KEY: {LAYER: tensor of a storage} as opcodes, for `Crafted::extra`.
std::string entry(const Crafted& c, const std::string& key, const std::string& name, std::size_t storage) {
  return Pickle().text(key).raw(dict_of(c, {four(name, storage)})).body();
}

/// A checkpoint whose top is a dict of these entries, all of them opcodes of a key and a value.
std::string file_of(const std::string& entries) {
  const Crafted c = two_tensors();
  const std::string pickle = Pickle().op('}').op('(').raw(entries).op('u').stop();
  return zip_archive(
      {{"x/data.pkl", pickle}, {"x/data/0", c.storages[0].bytes}, {"x/data/1", c.storages[1].bytes}});
}

Checkpoint open_entry(const std::string& bytes, const std::string& wanted) {
  const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
  return Checkpoint(open_bytes({data, data + bytes.size()}, "crafted"), wanted);
}

/// The pickle of one tensor made by a call of torch._utils.NAME with these opcodes as arguments.
std::string made_by(const std::string& name, const std::string& arguments) {
  const Crafted c = two_tensors();
  const std::string call =
      Pickle().global("torch._utils", name).op('(').raw(arguments).op('t').op('R').body();
  return file_of(Pickle().text("w").raw(call).body());
}

/// storage 1, offset 0, size (4), stride (1).
Pickle described() {
  Pickle p;
  p.op('(').text("storage").global("torch", "FloatStorage").text("1").text("cpu").integer(4).op('t').op('Q');
  p.integer(0).tuple({4}).tuple({1});
  return p;
}

}  // namespace

TEST_CASE("safetensors are recognised whatever their header's length begins with") {
  const std::string header = R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})";
  const std::string data = bytes_of<float>({1, 2, 3, 4});
  // 0x80 begins a pickle, 0x504b a zip, 0x8b1f a gzip: as lengths they are lengths.
  for (const std::size_t length : {128U, 384U, 640U, 0x4b50U, 0x8b1fU, 0x80U + 0x200U, 0x80U + 0x400U}) {
    CAPTURE(length);
    const std::string padded = header + std::string(length - header.size(), ' ');
    const Checkpoint c = open(safetensors_of(padded, data));
    CHECK(c.container() == "safetensors");
    CHECK(values_of(c, "a") == Floats{1, 2, 3, 4});
  }
}

TEST_CASE("legacy files are recognised by their magic number in every protocol, zips by their directory") {
  std::string framed = legacy_of(two_tensors());
  const std::string frame = std::string("\x95", 1) + std::string("\x0d\0\0\0\0\0\0\0", 8);
  framed = std::string("\x80\x04", 2) + frame + framed.substr(2);
  CHECK(values_of(open(framed), "a.bias") == Floats{10, 11, 12, 13});
  std::string commented = zip_of(two_tensors());
  commented[commented.size() - 2] = 5;
  CHECK(values_of(open(commented + "hello"), "a.bias") == Floats{10, 11, 12, 13});
}

TEST_CASE("what is no checkpoint is named as what it is, or what was tried is said") {
  const std::pair<std::string, const char*> files[] = {
      {"\x1f\x8b\x08 and more of it", "compressed by gzip"},
      {"<!DOCTYPE html><html>", "a web page"},
      {"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"},
      {"no file of any kind, but long enough", "no zip archive"},
      {"no file of any kind, but long enough", "no legacy file of PyTorch"},
      {"no file of any kind, but long enough", "no safetensors"},
      {std::string("\x80\x04", 2) + "N...............", "the magic number is missing"},
      {"PK\x03\x04 the rest was lost", "truncated or damaged zip archive"},
  };
  for (const auto& [bytes, text] : files) check_says(error_of([&] { open(bytes); }), text);
}

TEST_CASE("safetensors whose header contradicts itself or its bytes are refused") {
  const std::string a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  const auto refuses = [&](const std::string& rest, const char* text) {
    check_says(error_of([&] { open(safetensors_of("{" + a + rest + "}", std::string(16, '\0'))); }), text);
  };
  refuses("," + a, "has the key a twice");
  refuses(R"(,"b":{"dtype":"F32","dtype":"F16","shape":[4],"data_offsets":[8,16]})",
          "has the key dtype twice");
  refuses(R"(,"b":{"dtype":"F32","shape":[3],"data_offsets":[4,16]})", "tensor b overlap");
  refuses(R"(,"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})", "tensor b overlap");
  refuses(R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]})",
          "4 bytes before those of the tensor b");
  refuses(R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]})",
          "the last 4 bytes belong to no tensor");
  const std::string nothing = R"(,"n":{"dtype":"F32","shape":[0],"data_offsets":[8,8]})";
  CHECK(open(safetensors_of("{" + a + nothing + "}", std::string(8, '\0'))).tensors().size() == 2);
}

TEST_CASE("a lazy negation is carried out, in both containers") {
  for (const auto write : {zip_of, legacy_of}) {
    Crafted c = two_tensors();
    c.tensors[0].metadata = Pickle().truth("neg", true).body();
    c.tensors[1].metadata = Pickle().truth("neg", false).body();
    CHECK(values_of(open(write(c)), "a.weight") == Floats{-0.F, -1, -2, -3, -4, -5});
    CHECK(values_of(open(write(c)), "a.bias") == Floats{10, 11, 12, 13});
    c.tensors[0].metadata = Pickle().truth("conj", true).body();
    CHECK(values_of(open(write(c)), "a.weight") == Floats{0, 1, 2, 3, 4, 5});
    c.tensors[0].metadata = Pickle().op('N').body();
    CHECK(values_of(open(write(c)), "a.weight") == Floats{0, 1, 2, 3, 4, 5});
    c.tensors[0].metadata = Pickle().truth("scaled", true).body();
    check_says(error_of([&] { open(write(c)); }), "metadata other than conj and neg");
    c.tensors[0].metadata = Pickle().op('}').text("neg").integer(1).op('s').body();
    check_says(error_of([&] { open(write(c)); }), "metadata other than conj and neg");
    c.tensors[0].metadata = Pickle().integer(1).body();
    check_says(error_of([&] { open(write(c)); }), "metadata that are no mapping");
  }
}

TEST_CASE("every argument of the functions that make tensors is looked at") {
  const std::string four_numbers = described().body();
  const std::string plain = described().op(0x89).ordered_dict().body();
  CHECK(values_of(open(made_by("_rebuild_tensor", four_numbers)), "w") == Floats{10, 11, 12, 13});
  CHECK(values_of(open(made_by("_rebuild_tensor_v2", plain)), "w") == Floats{10, 11, 12, 13});
  const auto tensor = [&](const std::string& behind) {
    Pickle p;
    return p.global("torch._utils", "_rebuild_tensor_v2")
        .op('(')
        .raw(plain)
        .op('t')
        .op('R')
        .raw(behind)
        .body();
  };
  const std::string parameter = tensor(Pickle().op(0x88).ordered_dict().body());
  CHECK(values_of(open(made_by("_rebuild_parameter", parameter)), "w") == Floats{10, 11, 12, 13});
  CHECK(values_of(open(made_by("_rebuild_parameter_with_state", parameter + Pickle().op('}').body())), "w") ==
        Floats{10, 11, 12, 13});
  const std::string hooked = Pickle().op(0x89).op('}').integer(0).integer(0).op('s').body();
  const struct {
    const char* function;
    std::string arguments;
    const char* text;
  } rows[] = {
      {"_rebuild_tensor", plain, "by more than torch writes, or less"},
      {"_rebuild_tensor_v2", four_numbers, "by more than torch writes, or less"},
      {"_rebuild_tensor_v2", plain + Pickle().op('N').op('N').body(), "by more than torch writes, or less"},
      {"_rebuild_tensor_v2", described().integer(1).ordered_dict().body(), "requires_grad"},
      {"_rebuild_tensor_v2", four_numbers + hooked, "backward hooks"},
      {"_rebuild_tensor_v2", described().op(0x89).integer(7).body(), "backward hooks"},
      {"_rebuild_parameter", tensor(""), "by more than torch writes, or less"},
      {"_rebuild_parameter", tensor(hooked), "backward hooks"},
      {"_rebuild_parameter", tensor(Pickle().integer(1).ordered_dict().body()), "requires_grad"},
      {"_rebuild_parameter", Pickle().integer(1).op(0x88).ordered_dict().body(), "without a tensor"},
      {"_rebuild_parameter_with_state", parameter, "by more than torch writes, or less"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.function);
    check_says(error_of([&] { open(made_by(row.function, row.arguments)); }), row.text);
  }
  const std::string built = file_of(Pickle().text("w").raw(tensor("")).op('}').op('b').body());
  check_says(error_of([&] { open(built); }), "attributes set on a tensor");
}

TEST_CASE("tensors of kinds that are not read are named as tensors, and stop nobody else") {
  for (const char* kind : {"_rebuild_tensor_v3", "_rebuild_qtensor", "_rebuild_sparse_tensor"}) {
    CAPTURE(kind);
    Crafted c = two_tensors();
    c.extra = Pickle().text("q").global("torch._utils", kind).op('(').integer(1).op('t').op('R').body();
    for (const auto write : {zip_of, legacy_of}) {
      const Checkpoint checkpoint = open(write(c));
      REQUIRE(checkpoint.tensors().size() == 3);
      CHECK(checkpoint.tensors()[2].element == Element::other);
      check_says(error_of([&] { values_of(checkpoint, "q"); }),
                 std::string("q is of type torch._utils.") + kind);
      CHECK(values_of(checkpoint, "a.bias") == Floats{10, 11, 12, 13});
    }
  }
}

TEST_CASE("plain data beside the tensors is kept closed, whatever class it is of") {
  const auto made = [](const char* module, const char* name) {
    return Pickle().global(module, name).op('(').text("x").op('t').op('R').body();
  };
  const std::string values[] = {
      made("torch", "device"),
      Pickle().global("torch", "float32").body(),
      Pickle().global("torch", "bfloat16").body(),
      made("builtins", "set"),
      made("__builtin__", "frozenset"),
      Pickle()
          .global("argparse", "Namespace")
          .op(')')
          .op(0x81)
          .op('}')
          .text("lr")
          .integer(1)
          .op('s')
          .op('b')
          .body(),
      made("numpy.core.multiarray", "scalar"),
      made("numpy._core.multiarray", "scalar"),
      made("numpy", "float64"),
      Pickle().global("collections", "defaultdict").global("builtins", "list").op(0x85).op('R').body(),
      made("pathlib", "PosixPath"),
      made("datetime", "datetime"),
      made("collections", "Counter"),
      Pickle().global("collections", "deque").op(')').op('R').op('(').integer(1).op('e').body(),
      Pickle().global("argparse", "Namespace").op(')').op('}').op(0x92).body(),  // by keywords
  };
  for (const std::string& value : values)
    for (const auto write : {zip_of, legacy_of}) {
      Crafted c = two_tensors();
      c.extra = Pickle().text("beside").raw(value).body();
      CAPTURE(value);
      const Checkpoint inside = open(write(c));
      CHECK(values_of(inside, "a.bias") == Floats{10, 11, 12, 13});
      REQUIRE(inside.notices().size() == 1);
      check_says(inside.notices()[0], "ignored, being no tensors: beside");
      c.nested_under = "model";
      CHECK(values_of(open(write(c)), "a.bias") == Floats{10, 11, 12, 13});
    }
}

TEST_CASE("any prefix of all names behind which a network's first layer appears is taken off") {
  for (const char* prefix : {"", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.",
                             "model.diffusion_model.", "net.unet.", "denoise_fn.module."}) {
    CAPTURE(prefix);
    Crafted c = two_tensors();
    c.tensors = {four(prefix + layer, 0), four(std::string(prefix) + "out.0.bias", 1)};
    for (const auto write : {zip_of, legacy_of}) {
      const Checkpoint checkpoint = open(write(c));
      CHECK(values_of(checkpoint, layer) == Floats{0, 1, 2, 3});
      CHECK(values_of(checkpoint, "out.0.bias") == Floats{10, 11, 12, 13});
      CHECK(checkpoint.notices().empty());
    }
  }
  // Wrappers also stand inside names; what is outside a prefix is left and said.
  Crafted c = two_tensors();
  c.tensors = {four("input_blocks._orig_mod.0._checkpoint_wrapped_module.0.weight", 0)};
  CHECK(values_of(open(zip_of(c)), layer) == Floats{0, 1, 2, 3});
  c.tensors = {four("n_averaged", 1), four("module." + layer, 0)};
  const Checkpoint averaged = open(zip_of(c));
  CHECK(averaged.tensors().size() == 1);
  REQUIRE(averaged.notices().size() == 1);
  check_says(averaged.notices()[0], "left alone beside them: n_averaged");
  c.tensors = {four("xinput_blocks.0.0.weight", 0)};  // no prefix ends inside a word
  CHECK(values_of(open(zip_of(c)), "xinput_blocks.0.0.weight") == Floats{0, 1, 2, 3});
}

TEST_CASE("averaged weights come first, whatever they are called") {
  const Crafted c = two_tensors();
  const std::string raw = entry(c, "model", layer, 0);
  for (const char* name : {"ema", "model_ema", "ema_state_dict", "params_ema", "ema_0.9999", "EMA", "netEma",
                           "averaged_model"}) {
    CAPTURE(name);
    const std::string other = entry(c, name, "module." + layer, 1);
    for (const std::string& file : {file_of(raw + other), file_of(other + raw)}) {
      const Checkpoint checkpoint = open(file);
      CHECK(values_of(checkpoint, layer) == Floats{10, 11, 12, 13});
      REQUIRE(checkpoint.notices().size() == 1);
      check_says(checkpoint.notices()[0], "left alone beside it: model");
      CHECK(values_of(open_entry(file, "model"), layer) == Floats{0, 1, 2, 3});
      CHECK(values_of(open_entry(file, name), layer) == Floats{10, 11, 12, 13});
    }
  }
  for (const char* name : {"schema", "email", "generator"}) {
    CAPTURE(name);
    CHECK(values_of(open(file_of(raw + entry(c, name, layer, 1))), layer) == Floats{0, 1, 2, 3});
  }
}

TEST_CASE("an ema without the network's names does not hide the network, and is spoken of") {
  const Crafted c = two_tensors();
  const std::string raw = entry(c, "model", layer, 0);
  for (const std::string& ema : {entry(c, "ema", "decay", 1), Pickle().text("ema").op('}').body(),
                                 Pickle().text("ema").op(']').integer(1).op('a').body()}) {
    const Checkpoint checkpoint = open(file_of(ema + raw));
    CHECK(values_of(checkpoint, layer) == Floats{0, 1, 2, 3});
    REQUIRE(checkpoint.notices().size() == 2);
    check_says(checkpoint.notices()[1], "the weights taken are not averaged ones");
  }
}

TEST_CASE("entries are found by what they hold, three levels deep; several alike need a word") {
  const Crafted c = two_tensors();
  for (const char* name : {"net", "unet", "params", "generator"})
    CHECK(values_of(open(file_of(entry(c, name, layer, 0))), layer) == Floats{0, 1, 2, 3});
  const std::string inner = Pickle().op('}').op('(').raw(entry(c, "model", layer, 1)).op('u').body();
  const std::string deep = file_of(Pickle().text("state").raw(inner).body());
  CHECK(values_of(open(deep), layer) == Floats{10, 11, 12, 13});
  CHECK(values_of(open_entry(deep, "state/model"), layer) == Floats{10, 11, 12, 13});
  CHECK(values_of(open_entry(deep, "model"), layer) == Floats{10, 11, 12, 13});
  const std::string two = file_of(entry(c, "teacher", layer, 0) + entry(c, "student", layer, 1));
  check_says(error_of([&] { open(two); }), "teacher, student; choose with --entry NAME");
  CHECK(values_of(open_entry(two, "student"), layer) == Floats{10, 11, 12, 13});
  check_says(error_of([&] { open_entry(two, "pupil"); }),
             "no tensors under `pupil` in it, but under: teacher");
  Crafted both = two_tensors();
  both.tensors = {four("model." + layer, 0), four("ema_model." + layer, 1)};
  CHECK(values_of(open(zip_of(both)), layer) == Floats{10, 11, 12, 13});
  CHECK(values_of(open_entry(zip_of(both), "model"), layer) == Floats{0, 1, 2, 3});
}

TEST_CASE("a zip with an entry of one name twice is refused") {
  const Crafted c = two_tensors();
  const std::string file = zip_archive({{"x/data.pkl", pickle_of(c)},
                                        {"x/data/0", c.storages[0].bytes},
                                        {"x/data/1", c.storages[1].bytes},
                                        {"x/data/1", c.storages[1].bytes}});
  check_says(error_of([&] { open(file); }), "x/data/1 is there twice");
}
