#include "tests/weights/crafted.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace tweedie::test {

Pickle& Pickle::raw(const std::string& bytes) {
  bytes_ += bytes;
  return *this;
}

Pickle& Pickle::little(std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) op(static_cast<int>((value >> (8 * i)) & 0xFF));
  return *this;
}

Pickle& Pickle::text(const std::string& value) { return op('X').little(value.size(), 4).raw(value); }

Pickle& Pickle::integer(std::int64_t value) {
  if (value >= 0 && value < 256) return op('K').op(static_cast<int>(value));
  return op(0x8a).op(8).little(static_cast<std::uint64_t>(value), 8);
}

Pickle& Pickle::tuple(const std::vector<std::int64_t>& values) {
  op('(');
  for (const std::int64_t value : values) integer(value);
  return op('t');
}

Pickle& Pickle::global(const std::string& module, const std::string& name) {
  return op('c').raw(module + "\n" + name + "\n");
}

Pickle& Pickle::ordered_dict() { return global("collections", "OrderedDict").op(')').op('R'); }

namespace {

void add_tensor(Pickle& p, const CraftedTensor& tensor, const Crafted& crafted) {
  const CraftedStorage& storage = crafted.storages[tensor.storage];
  if (tensor.parameter) p.global("torch._utils", "_rebuild_parameter").op('(');
  p.global("torch._utils", "_rebuild_tensor_v2").op('(');
  p.op('(').text("storage").global("torch", storage.type).text(storage.key).text(crafted.location);
  p.integer(storage.count).op('t').op('Q');
  p.integer(tensor.offset)
      .tuple(tensor.extents)
      .tuple(tensor.strides)
      .op(0x89)
      .ordered_dict()
      .raw(tensor.metadata)
      .op('t')
      .op('R');
  if (tensor.parameter) p.op(0x88).ordered_dict().op('t').op('R');
}

std::string little_bytes(std::uint64_t value, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += static_cast<char>((value >> (8 * i)) & 0xFF);
  return bytes;
}

std::uint32_t crc32(const std::string& bytes) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

}  // namespace

std::string dict_of(const Crafted& crafted, const std::vector<CraftedTensor>& tensors) {
  Pickle p;
  p.ordered_dict().op('(');
  for (const CraftedTensor& tensor : tensors) {
    p.text(tensor.name);
    add_tensor(p, tensor, crafted);
  }
  return p.op('u').body();
}

std::string pickle_of(const Crafted& crafted) {
  Pickle p;
  const bool nested = !crafted.nested_under.empty();
  if (nested) p.op('}').op('(').text(crafted.nested_under);
  p.raw(dict_of(crafted, crafted.tensors));
  if (!nested && !crafted.extra.empty()) p.op('(');
  p.raw(crafted.extra);
  if (nested || !crafted.extra.empty()) p.op('u');
  return p.stop();
}

std::string zip_of(const Crafted& crafted) {
  const std::string folder = crafted.prefix.empty() ? "" : crafted.prefix + "/";
  std::vector<std::pair<std::string, std::string>> entries = {{folder + "data.pkl", pickle_of(crafted)}};
  if (!crafted.byteorder.empty()) entries.emplace_back(folder + "byteorder", crafted.byteorder);
  for (const CraftedStorage& storage : crafted.storages)
    entries.emplace_back(folder + "data/" + storage.key, storage.bytes);
  entries.emplace_back(folder + "version", "3\n");
  return zip_archive(entries);
}

std::string legacy_of(const Crafted& crafted) {
  const std::string magic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  std::string file = Pickle().op(0x8a).op(10).raw(magic).stop();
  file += Pickle().op('M').little(1001, 2).stop();
  file += Pickle()
              .op('}')
              .op('(')
              .text("protocol_version")
              .op('M')
              .little(1001, 2)
              .text("little_endian")
              .op(0x88)
              .op('u')
              .stop();
  file += pickle_of(crafted);
  Pickle keys;
  keys.op(']').op('(');
  for (const CraftedStorage& storage : crafted.storages) keys.text(storage.key);
  file += keys.op('e').stop();
  for (const CraftedStorage& storage : crafted.storages)
    file += little_bytes(static_cast<std::uint64_t>(storage.count), 8) + storage.bytes;
  return file;
}

// Local headers, then the central directory, then its end record (APPNOTE.TXT 4.3).
std::string zip_archive(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string file;
  std::string directory;
  for (const auto& [name, content] : entries) {
    const std::string common = little_bytes(0, 2) + little_bytes(0, 2) + little_bytes(0, 4) +
                               little_bytes(crc32(content), 4) + little_bytes(content.size(), 4) +
                               little_bytes(content.size(), 4) + little_bytes(name.size(), 2) +
                               little_bytes(0, 2);
    directory += "PK\x01\x02" + little_bytes(20, 2) + little_bytes(20, 2) + common + std::string(10, '\0') +
                 little_bytes(file.size(), 4) + name;
    file += "PK\x03\x04" + little_bytes(20, 2) + common + name + content;
  }
  const std::string end = "PK\x05\x06" + little_bytes(0, 4) + little_bytes(entries.size(), 2) +
                          little_bytes(entries.size(), 2) + little_bytes(directory.size(), 4) +
                          little_bytes(file.size(), 4) + little_bytes(0, 2);
  return file + directory + end;
}

std::string safetensors_of(const std::string& header, const std::string& data) {
  return little_bytes(header.size(), 8) + header + data;
}

Crafted two_tensors() {
  Crafted c;
  c.storages = {{"0", "FloatStorage", 6, bytes_of<float>({0, 1, 2, 3, 4, 5})},
                {"1", "FloatStorage", 4, bytes_of<float>({10, 11, 12, 13})}};
  c.tensors = {{"a.weight", 0, 0, {2, 3}, {3, 1}}, {"a.bias", 1, 0, {4}, {1}}};
  return c;
}

Checkpoint open(const std::string& bytes) {
  const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
  return Checkpoint(open_bytes({data, data + bytes.size()}, "crafted"));
}

std::vector<float> values_of(const Checkpoint& checkpoint, const std::string& name) {
  for (const TensorEntry& tensor : checkpoint.tensors())
    if (tensor.name == name) return checkpoint.read(tensor);
  FAIL("there is no tensor " << name);
  return {};
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void check_says(const std::string& message, const std::string& text) {
  CAPTURE(message);
  CHECK(message.find(text) != std::string::npos);
  CHECK(message.find('\n') == std::string::npos);
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "tweedie-test-XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  folder_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

std::string TemporaryFolder::write(const std::string& name, const std::string& bytes) const {
  std::ofstream(path(name), std::ios::binary) << bytes;
  return path(name);
}

std::vector<std::string> TemporaryFolder::files() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace tweedie::test
