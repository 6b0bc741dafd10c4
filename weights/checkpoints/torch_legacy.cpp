// PyTorch's container before 1.6: five pickles in a row (magic number, protocol version, system, the object,
// the storages' keys), then for each key the number of elements (8 bytes) and the elements, little-endian.
#include <algorithm>
#include <limits>
#include <map>

#include "kernels/error.hpp"
#include "weights/checkpoints/containers.hpp"

namespace tweedie {

namespace {

// 0x1950a86a20f9469cfc6c, as little-endian bytes.
constexpr std::string_view magic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr std::int64_t protocol_version = 1001;

class LegacyStorages final : public StorageReader {
 public:
  LegacyStorages(std::shared_ptr<const ByteSource> source, std::vector<std::uint64_t> positions)
      : source_(std::move(source)), positions_(std::move(positions)) {}
  void read(std::span<std::byte> out, std::size_t storage, std::uint64_t offset) override {
    source_->read(out, positions_[storage] + offset);
  }

 private:
  std::shared_ptr<const ByteSource> source_;
  std::vector<std::uint64_t> positions_;
};

void read_preamble(pickle::Cursor& cursor, const std::string& where) {
  const pickle::Document number = pickle::read(cursor);
  require(number.at(number.root).text == magic, where,
          ": a pickle, but not a checkpoint of torch.save (the magic number is missing)");
  const pickle::Document version = pickle::read(cursor);
  require(version.at(version.root).integer == protocol_version, where, ": protocol version ",
          version.at(version.root).integer, ", expected ", protocol_version);
  const pickle::Document system = pickle::read(cursor);
  const pickle::Value& facts = system.at(system.root);
  for (std::size_t i = 0; i + 1 < facts.items.size(); i += 2)
    if (system.at(facts.items[i]).text == "little_endian")
      require(system.at(facts.items[i + 1]).integer == 1, where,
              ": written on a big-endian machine, which the legacy container does not describe well enough");
}

// Where each storage's elements begin. The sizes stand between the elements, so the file is walked once.
std::vector<std::uint64_t> locate(pickle::Cursor& cursor, const pickle::Document& document,
                                  const std::vector<StorageInfo>& storages, const std::string& where) {
  std::map<std::string, std::size_t> index;
  for (std::size_t i = 0; i < document.storages.size(); ++i) index[document.storages[i].key] = i;
  const pickle::Document keys = pickle::read(cursor);
  require(keys.at(keys.root).kind == pickle::Kind::list, where, ": damaged: the list of storages is missing");

  constexpr std::uint64_t unknown = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::uint64_t> positions(storages.size(), unknown);
  std::uint64_t position = cursor.position();
  for (const pickle::Ref ref : keys.at(keys.root).items) {
    const std::string& key = keys.at(ref).text;
    const auto found = index.find(key);
    require(found != index.end(), where, ": damaged: it lists a storage that no tensor names");
    const std::size_t i = found->second;
    require(positions[i] == unknown, where, ": damaged: it lists the storage ", key, " twice");
    pickle::Cursor count_cursor(cursor.source(), position);
    const std::uint64_t count = count_cursor.number(8);
    require(count == static_cast<std::uint64_t>(document.storages[i].count), where, ": damaged: storage ",
            key, " has ", count, " elements, its tensors expect ", document.storages[i].count);
    const std::uint64_t left = cursor.source().size() - count_cursor.position();
    require(storages[i].bytes <= left, where, ": truncated: storage ", key, " has ", storages[i].bytes,
            " bytes, the file ", left, " more");
    positions[i] = count_cursor.position();
    position = positions[i] + storages[i].bytes;
  }
  for (std::size_t i = 0; i < positions.size(); ++i)
    require(positions[i] != unknown, where, ": damaged: the storage ", document.storages[i].key,
            " is missing");
  return positions;
}

}  // namespace

// The first pickle is the magic number: its protocol, from 4 on a frame, the number itself.
bool is_torch_legacy(const ByteSource& source) {
  std::string start(std::min<std::uint64_t>(24, source.size()), '\0');
  source.read(std::as_writable_bytes(std::span(start)), 0);
  const bool pickle = start.size() > 2 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5;
  const std::size_t at = pickle && start[2] == '\x95' ? 11 : 2;
  return pickle && start.size() >= at + 12 && start.substr(at, 2) == "\x8a\x0a" &&
         start.substr(at + 2, 10) == magic;
}

Container open_torch_legacy(std::shared_ptr<const ByteSource> source) {
  const std::string where = source->name();
  pickle::Cursor cursor(*source);
  read_preamble(cursor, where);
  const pickle::Document document = pickle::read(cursor);
  Container container;
  container.kind = "PyTorch legacy";
  add_entries(container, document, where);
  std::vector<std::uint64_t> positions = locate(cursor, document, container.storages, where);
  container.reader = std::make_unique<LegacyStorages>(source, std::move(positions));
  return container;
}

}  // namespace tweedie
