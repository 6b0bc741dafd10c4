// safetensors: 8 bytes of header length, a JSON header, then the tensors' bytes, row-major little-endian.
// https://github.com/huggingface/safetensors
#include <algorithm>
#include <nlohmann/json.hpp>

#include "kernels/error.hpp"
#include "weights/checkpoints/containers.hpp"
#include "weights/strict_json.hpp"

namespace tweedie {

namespace {

using nlohmann::json;

constexpr std::uint64_t most_header_bytes = 100000000;  // the format's own limit

struct Type {
  const char* name;
  Element element;
  int size;
};

constexpr Type types[] = {
    {"F32", Element::f32, 4},    {"F16", Element::f16, 2},       {"BF16", Element::bf16, 2},
    {"F64", Element::f64, 8},    {"I64", Element::other, 8},     {"I32", Element::other, 4},
    {"I16", Element::other, 2},  {"I8", Element::other, 1},      {"U64", Element::other, 8},
    {"U32", Element::other, 4},  {"U16", Element::other, 2},     {"U8", Element::other, 1},
    {"BOOL", Element::other, 1}, {"F8_E4M3", Element::other, 1}, {"F8_E5M2", Element::other, 1},
};

class SafetensorsStorage final : public StorageReader {
 public:
  SafetensorsStorage(std::shared_ptr<const ByteSource> source, std::vector<std::uint64_t> positions)
      : source_(std::move(source)), positions_(std::move(positions)) {}
  void read(std::span<std::byte> out, std::size_t storage, std::uint64_t offset) override {
    source_->read(out, positions_[storage] + offset);
  }

 private:
  std::shared_ptr<const ByteSource> source_;
  std::vector<std::uint64_t> positions_;
};

json read_header(const ByteSource& source, std::uint64_t length) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(length));
  source.read(bytes, 8);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string where = source.name() + ": damaged: the safetensors header";
  json header = parse_json(text, where, 3);
  require(header.is_object(), where, " is not an object");
  return header;
}

// A list of whole non-negative numbers.
std::vector<std::int64_t> sizes(const json& tensor, const char* key, const std::string& where) {
  const json list = tensor.is_object() && tensor.contains(key) ? tensor.at(key) : json();
  require(list.is_array() && list.size() <= 32, where, ": damaged: `", key,
          "` is not a list of up to 32 sizes");
  std::vector<std::int64_t> numbers;
  for (const json& item : list) {
    require(item.is_number_unsigned() && item.get<std::uint64_t>() < (std::uint64_t{1} << 62), where,
            ": damaged: `", key, "` holds what is no size");
    numbers.push_back(item.get<std::int64_t>());
  }
  return numbers;
}

const Type& type_of(const json& tensor, const std::string& where) {
  const json name = tensor.is_object() && tensor.contains("dtype") ? tensor.at("dtype") : json();
  for (const Type& type : types)
    if (name == type.name) return type;
  throw Error(message(where, ": unknown dtype ", name.dump(-1, ' ', true, json::error_handler_t::replace)));
}

std::vector<std::int64_t> row_major_strides(const Extents& extents) {
  std::vector<std::int64_t> strides(extents.size(), 1);
  if (element_count(extents) == 0) return strides;  // never used, and products might overflow
  for (std::size_t axis = extents.size(); axis-- > 1;) strides[axis - 1] = strides[axis] * extents[axis];
  return strides;
}

// The format's own rule: the tensors, one behind the other, are all of the bytes behind the header.
void require_gapless(const CheckpointEntry& entry, const std::vector<StorageInfo>& storages,
                     const std::vector<std::uint64_t>& positions, const ByteSource& source,
                     std::uint64_t start) {
  std::uint64_t end = start;
  for (const TensorEntry& tensor : entry.tensors) {
    const std::uint64_t begin = positions[tensor.storage];
    require(begin >= end, source.name(), ": damaged: the bytes of the tensor ", tensor.name,
            " overlap those of the one before it");
    require(begin == end, source.name(), ": damaged: ", begin - end, " bytes before those of the tensor ",
            tensor.name, " belong to none");
    end = begin + storages[tensor.storage].bytes;
  }
  require(end == source.size(), source.name(), ": damaged: the last ", source.size() - end,
          " bytes belong to no tensor");
}

}  // namespace

bool is_safetensors(const ByteSource& source) {
  if (source.size() < 10) return false;
  pickle::Cursor cursor(source);
  const std::uint64_t length = cursor.number(8);
  return length >= 2 && length <= most_header_bytes && length <= source.size() - 8 && cursor.byte() == '{';
}

Container open_safetensors(std::shared_ptr<const ByteSource> source) {
  const std::uint64_t length = pickle::Cursor(*source).number(8);
  const json header = read_header(*source, length);
  const std::uint64_t start = 8 + length;
  const std::uint64_t available = source->size() - start;

  Container container;
  container.kind = "safetensors";
  CheckpointEntry entry;
  std::vector<std::uint64_t> positions;
  for (const auto& [name, tensor] : header.items()) {
    if (name == "__metadata__") continue;
    const std::string where = source->name() + ": the tensor " + name;
    const Type& type = type_of(tensor, where);
    const Extents extents = sizes(tensor, "shape", where);
    const std::vector<std::int64_t> range = sizes(tensor, "data_offsets", where);
    std::int64_t count = 0;
    try {
      count = element_count(extents);
    } catch (const Error& error) {
      throw Error(message(where, ": damaged: ", error.what()));
    }
    require(range.size() == 2 && range[0] <= range[1] && static_cast<std::uint64_t>(range[1]) <= available,
            where, ": truncated or damaged: its data_offsets lie outside the file's ", available, " bytes");
    require(count <= range[1] && count * type.size == range[1] - range[0], where, ": damaged: shape ",
            to_string(extents), " of ", type.name, " does not fill its ", range[1] - range[0], " bytes");
    entry.tensors.push_back({.name = name,
                             .element = type.element,
                             .stored_type = type.name,
                             .extents = extents,
                             .strides = row_major_strides(extents),
                             .storage = positions.size()});
    container.storages.push_back({static_cast<std::uint64_t>(range[1] - range[0]), type.size});
    positions.push_back(start + static_cast<std::uint64_t>(range[0]));
  }
  // The header's order is lost in JSON; the file's own is the next best, and reads it front to back.
  std::stable_sort(entry.tensors.begin(), entry.tensors.end(), [&](const auto& a, const auto& b) {
    const auto place = [&](const TensorEntry& t) {  // those without bytes first
      return std::pair(positions[t.storage], container.storages[t.storage].bytes);
    };
    return place(a) < place(b);
  });
  require_gapless(entry, container.storages, positions, *source, start);
  container.entries.push_back(std::move(entry));
  container.reader = std::make_unique<SafetensorsStorage>(source, std::move(positions));
  return container;
}

}  // namespace tweedie
