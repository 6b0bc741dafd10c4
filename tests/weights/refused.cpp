// Checkpoints that ask for more than tensors, or lie, or are damaged: each is refused in one line, and none
// makes the reader allocate what the file does not have.
#include <algorithm>

#include "tests/weights/crafted.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

std::string zip_with_pickle(const std::string& pickle) {
  return zip_archive({{"x/data.pkl", pickle}, {"x/data/0", std::string(24, '\0')}});
}

std::string error_of_pickle(const std::string& pickle) {
  const std::string zipped = error_of([&] { open(zip_with_pickle(pickle)); });
  CHECK(!zipped.empty());
  return zipped;
}

// Opens a file and reads all it can; the Error's text, or "".
std::string error_of_reading(const std::string& bytes) {
  return error_of([&] {
    const Checkpoint checkpoint = open(bytes);
    for (const TensorEntry& tensor : checkpoint.tensors())
      if (tensor.element != Element::other) checkpoint.read(tensor);
  });
}

std::string safetensors_file() {
  return safetensors_of(R"({"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})",
                        std::string(16, '\0'));
}

}  // namespace

TEST_CASE("a pickle that asks for code is refused, and the message names what it asks for") {
  const auto reduce = [](const char* module, const char* name) {
    return Pickle().global(module, name).op('(').text("echo harm").op('t').op('R').stop();
  };
  check_says(error_of_pickle(reduce("os", "system")), "os.system");
  check_says(error_of_pickle(reduce("posix", "system")), "posix.system");
  check_says(error_of_pickle(reduce("builtins", "eval")), "builtins.eval");
  check_says(error_of_pickle(reduce("__builtin__", "exec")), "__builtin__.exec");
  check_says(error_of_pickle(reduce("torch", "load")), "torch.load");
  check_says(error_of_pickle(reduce("torch.storage", "_load_from_bytes")), "torch.storage._load_from_bytes");
  check_says(error_of_pickle(reduce("numpy", "load")), "numpy.load");
  check_says(error_of_pickle(reduce("numpy", "core.multiarray.scalar")), "numpy.core.multiarray.scalar");
  check_says(error_of_pickle(reduce("pathlib", "os.system")), "pathlib.os.system");
  check_says(error_of_pickle(reduce("guided_diffusion.unet", "UNetModel")),
             "guided_diffusion.unet.UNetModel");
  // Named through the stack (protocol 4), by INST, and by name tricks.
  check_says(error_of_pickle(Pickle(4).text("os").text("system").op(0x93).stop()), "os.system");
  check_says(error_of_pickle(Pickle().op('(').op('i').raw("os\nsystem\n").stop()), "os.system");
  check_says(error_of_pickle(Pickle(4).text("torch").text("FloatStorage.__init__").op(0x93).stop()),
             "torch.FloatStorage.__init__");
  check_says(error_of_pickle(reduce("torch\x1b[2J", "x")), "torch?[2J.x");  // no control codes on a terminal
}

TEST_CASE("the refusal holds in the legacy container and deep inside a state dict") {
  Crafted c = two_tensors();
  c.extra = Pickle().text("evil").global("os", "system").op('(').text("true").op('t').op('R').body();
  check_says(error_of([&] { open(legacy_of(c)); }), "os.system");
  check_says(error_of([&] { open(zip_of(c)); }), "os.system");
  c.nested_under = "model";
  check_says(error_of([&] { open(legacy_of(c)); }), "os.system");
}

TEST_CASE("known globals are not called for other purposes") {
  check_says(
      error_of_pickle(Pickle().global("torch", "FloatStorage").op('(').integer(9).op('t').op('R').stop()),
      "a storage made outside its container");
  check_says(error_of_pickle(Pickle().integer(1).op(')').op('R').stop()), "a call of what is no function");
  check_says(error_of_pickle(Pickle().op(0x82).op(1).stop()), "opcode 130");  // EXT1
}

TEST_CASE("sizes that lie are refused") {
  const auto refuses = [](const Crafted& c, const char* text) {
    check_says(error_of_reading(zip_of(c)), text);
    check_says(error_of_reading(legacy_of(c)), text);
  };
  const std::int64_t huge = std::int64_t{1} << 40;
  Crafted c = two_tensors();
  c.tensors[0].extents = {3, 3};
  refuses(c, "a.weight: reaches to element 0 + 9 of a storage of 6");
  c.tensors[0].extents = {2, 3};
  c.tensors[0].offset = 1;
  refuses(c, "a.weight: reaches to element 1 + 6 of a storage of 6");
  c.tensors[0].offset = -1;
  refuses(c, "a.weight: negative offset");
  c.tensors[0].offset = INT64_MAX;
  refuses(c, "a.weight: reaches to element");
  c = two_tensors();
  c.tensors[0].strides = {INT64_MAX, 1};
  refuses(c, "a.weight: impossible strides");
  c.tensors[0].strides = {-3, 1};
  refuses(c, "a.weight: impossible strides");
  c = two_tensors();
  c.tensors[0].extents = {-2, -3};
  refuses(c, "negative extent in shape (-2, -3)");
  c.tensors[0].extents = {huge, huge};
  refuses(c, "too many elements");
  c = two_tensors();
  c.tensors[0].extents = {huge};  // expanded from one element
  c.tensors[0].strides = {0};
  refuses(c, "more elements than the file can");
  c = two_tensors();
  c.tensors[0].extents.push_back(1);
  refuses(c, "more extents than strides");
  c = two_tensors();
  c.tensors[0].extents = c.tensors[0].strides = std::vector<std::int64_t>(33, 1);
  refuses(c, "not up to 32 numbers");
  c = two_tensors();
  c.tensors[1].name = "a.weight";
  refuses(c, "a.weight is there twice");
}

TEST_CASE("storages that claim more than the file has are refused") {
  Crafted c = two_tensors();
  c.storages[1].count = 5;
  check_says(error_of_reading(zip_of(c)), "storage 1 claims 20 bytes, its entry has 16");
  check_says(error_of_reading(legacy_of(c)), "truncated: storage 1 has 20 bytes, the file 16 more");
  c.storages[1].count = std::int64_t{1} << 61;  // times four overflows
  check_says(error_of_reading(zip_of(c)), "claims 2305843009213693952 elements");
  check_says(error_of_reading(legacy_of(c)), "claims 2305843009213693952 elements");
  c.storages[1].count = -1;
  check_says(error_of_reading(legacy_of(c)), "negative size");
}

TEST_CASE("a small file cannot unfold into a huge one") {
  Crafted c = two_tensors();
  c.storages[0] = {"0", "FloatStorage", 50000, std::string(200000, '\0')};
  c.tensors.clear();
  for (int i = 0; i < 30; ++i) c.tensors.push_back({std::to_string(i), 0, 0, {50000}, {1}});
  check_says(error_of_reading(zip_of(c)), "more than 16 times as large as the file");
}

TEST_CASE("pickles that lie are refused before memory is taken") {
  const std::uint64_t huge = std::uint64_t{1} << 40;
  check_says(error_of_pickle(Pickle().op('X').little(0x3FFFFFF, 4).raw("abc").stop()),
             "wants 67108863 bytes");
  check_says(error_of_pickle(Pickle().op('X').little(0xFFFFFFFF, 4).raw("abc").stop()),
             "larger than any index");
  check_says(error_of_pickle(Pickle(4).op(0x8e).little(huge, 8).stop()), "larger than any index");
  check_says(error_of_pickle(Pickle().op(0x8b).little(0xFFFFFFFF, 4).stop()), "larger than any index");
  check_says(error_of_pickle(Pickle().op('h').op(7).stop()), "never stored");
  check_says(error_of_pickle(Pickle().op('t').stop()), "a mark is missing");
  check_says(error_of_pickle(Pickle().op(0x85).stop()), "a value is missing");
  check_says(error_of_pickle(Pickle().integer(1).op('(').op(0x85).stop()),
             "a value is missing");  // below the mark
  check_says(error_of_pickle(Pickle().op('}').text("a").op('(').text("b").op('u').stop()),
             "cannot hold them");
  check_says(error_of_pickle(Pickle().op('}').op('(').text("b").op('u').stop()), "a key without a value");
  check_says(error_of_pickle(std::string("\x80\x09N.", 4)), "a protocol that torch.save does not use");
  check_says(error_of_pickle(Pickle().raw("N").stop()), "no dict of tensors");
  // A million nested tuples: no recursion may follow them.
  check_says(error_of_pickle(Pickle().op(')').raw(std::string(1000000, '\x85')).stop()),
             "no dict of tensors");
  check_says(error_of_pickle(Pickle().raw(std::string(3000000, 'N')).stop()), "more values");
}

TEST_CASE("every truncation of every container is an Error") {
  for (const std::string& file : {zip_of(two_tensors()), legacy_of(two_tensors()), safetensors_file()}) {
    REQUIRE(error_of_reading(file).empty());
    for (std::size_t length = 0; length < file.size(); ++length) {
      CAPTURE(length);
      const std::string error = error_of_reading(file.substr(0, length));
      REQUIRE(!error.empty());
      REQUIRE(error.find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("every changed byte is an Error or harmless, never a crash") {
  for (const std::string& file : {zip_of(two_tensors()), legacy_of(two_tensors()), safetensors_file()}) {
    int errors = 0;
    for (std::size_t at = 0; at < file.size(); ++at)
      for (const int flip : {0x01, 0x80, 0xFF}) {
        std::string changed = file;
        changed[at] = static_cast<char>(changed[at] ^ flip);
        errors += error_of_reading(changed).empty() ? 0 : 1;
      }
    CHECK(errors > static_cast<int>(file.size()) / 2);
  }
}

TEST_CASE("a changed weight in a zip does not match its checksum") {
  std::string file = zip_of(two_tensors());
  const std::size_t at = file.find(bytes_of<float>({10, 11, 12, 13}));
  REQUIRE(at != std::string::npos);
  file[at + 2] = static_cast<char>(file[at + 2] ^ 1);
  check_says(error_of_reading(file), "archive/data/1 does not match its checksum");
}

TEST_CASE("compressed entries and other archives are refused") {
  std::string file = zip_of(two_tensors());
  const std::size_t central = file.find("PK\x01\x02");
  file[central + 10] = 8;  // deflate
  check_says(error_of_reading(file), "is compressed");
  check_says(error_of_reading(zip_archive({{"word/document.xml", "x"}})), "no data.pkl");
  check_says(error_of_reading(zip_archive({{"a/data.pkl", "x"}, {"b/data.pkl", "y"}})),
             "more than one data.pkl");
  Crafted c = two_tensors();
  c.byteorder = "middle";
  check_says(error_of_reading(zip_of(c)), "unknown byte order");
}

TEST_CASE("files that are no checkpoints are named as what they are") {
  check_says(error_of_reading(""), "only 0 bytes long");
  check_says(error_of_reading("\x89HDF\r\n\x1a\n and more"), "an HDF5 file");
  check_says(error_of_reading("just some text in a file"), "not a checkpoint");
  check_says(error_of_reading(Pickle().op('}').stop() + "......."), "magic number is missing");
}

TEST_CASE("safetensors headers that lie are refused") {
  const auto refuses = [](const std::string& header, const char* text) {
    check_says(error_of_reading(safetensors_of(header, std::string(16, '\0'))), text);
  };
  refuses(R"({"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,20]}})", "outside the file's 16 bytes");
  refuses(R"({"a":{"dtype":"F32","shape":[2,2],"data_offsets":[16,0]}})", "outside the file's 16 bytes");
  refuses(R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,16]}})", "does not fill its 16 bytes");
  refuses(R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,16]}})",
          "holds what is no size");
  refuses(R"({"a":{"dtype":"F32","shape":[2305843009213693952,8],"data_offsets":[0,16]}})",
          "too many elements");
  refuses(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,16]}})", "holds what is no size");
  refuses(R"({"a":{"dtype":"F32","shape":4,"data_offsets":[0,16]}})", "`shape` is not a list");
  refuses(R"({"a":{"dtype":"Q4","shape":[4],"data_offsets":[0,16]}})", "unknown dtype \"Q4\"");
  refuses(R"({"a":7})", "unknown dtype");
  refuses(R"({"a":[[[[[[]]]]]]})", "nested too deeply");
  refuses(R"({"a":)", "not JSON");
  CHECK(error_of_reading(safetensors_of(R"({"a":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}})",
                                        std::string(16, '\0')))
            .empty());
  const std::string lying = "\xff\xff\xff\xff\xff\xff\xff\x7f{}";
  check_says(error_of_reading(lying), "the safetensors header claims");
}
