// PyTorch's container since 1.6: a zip archive PREFIX/data.pkl, PREFIX/data/KEY for each storage, and
// PREFIX/byteorder in newer files. The prefix is arbitrary.
#include <algorithm>
#include <set>

#include "kernels/error.hpp"
#include "weights/checkpoints/containers.hpp"
#include "weights/checkpoints/zip_archive.hpp"

namespace tweedie {

namespace {

class ZipStorages final : public StorageReader {
 public:
  ZipStorages(std::shared_ptr<ZipArchive> archive, std::vector<std::string> entries,
              std::vector<StorageInfo> storages, bool big_endian)
      : archive_(std::move(archive)),
        entries_(std::move(entries)),
        storages_(std::move(storages)),
        big_endian_(big_endian) {}

  // `out` and `offset` are whole elements, as every tensor is.
  void read(std::span<std::byte> out, std::size_t storage, std::uint64_t offset) override {
    archive_->read(out, entries_[storage], offset);
    if (!big_endian_) return;
    const auto size = static_cast<std::size_t>(storages_[storage].element_size);
    for (std::size_t at = 0; at + size <= out.size(); at += size) {
      const auto element = out.subspan(at, size);
      std::reverse(element.begin(), element.end());
    }
  }

 private:
  std::shared_ptr<ZipArchive> archive_;
  std::vector<std::string> entries_;
  std::vector<StorageInfo> storages_;
  bool big_endian_;
};

// "PREFIX/" of the one entry PREFIX/data.pkl, or "" when it is at the top.
std::string find_prefix(const ZipArchive& archive, const std::string& where) {
  std::vector<std::string> found;
  std::set<std::string> names;
  for (const std::string& name : archive.names()) {
    require(names.insert(name).second, where, ": damaged: the entry ", name, " is there twice");
    const bool nested = name.ends_with("/data.pkl") && std::count(name.begin(), name.end(), '/') == 1;
    if (name == "data.pkl" || nested) found.push_back(name.substr(0, name.size() - 8));
  }
  require(!found.empty(), where, ": a zip archive, but not one of torch.save (there is no data.pkl in it)");
  require(found.size() == 1, where, ": damaged: it has more than one data.pkl");
  return found.front();
}

std::vector<std::byte> read_entry(const ZipArchive& archive, const std::string& name,
                                  const std::string& where) {
  const std::optional<std::uint64_t> size = archive.size(name);
  require(size.has_value(), where, ": the entry ", name, " is missing");
  require(*size <= (std::uint64_t{64} << 20), where, ": the entry ", name, " has ", *size,
          " bytes, more than any index of tensors");
  std::vector<std::byte> bytes(static_cast<std::size_t>(*size));
  archive.read(bytes, name, 0);
  return bytes;
}

bool is_big_endian(const ZipArchive& archive, const std::string& prefix, const std::string& where) {
  const std::string entry = prefix + "byteorder";
  if (!archive.size(entry)) return false;  // older files: always little-endian in practice
  const std::vector<std::byte> bytes = read_entry(archive, entry, where);
  const std::string order(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  require(order == "little" || order == "big", where, ": unknown byte order in the entry ", entry);
  return order == "big";
}

}  // namespace

Container open_torch_zip(std::shared_ptr<const ByteSource> source) {
  const std::string where = source->name();
  const auto archive = std::make_shared<ZipArchive>(source);
  const std::string prefix = find_prefix(*archive, where);
  const auto index = open_bytes(read_entry(*archive, prefix + "data.pkl", where), where);
  pickle::Cursor cursor(*index);
  const pickle::Document document = pickle::read(cursor);

  Container container;
  container.kind = "PyTorch zip";
  add_entries(container, document, where);
  std::vector<std::string> entries;
  for (std::size_t i = 0; i < document.storages.size(); ++i) {
    entries.push_back(prefix + "data/" + document.storages[i].key);
    const std::optional<std::uint64_t> size = archive->size(entries.back());
    require(size.has_value(), where, ": the entry ", entries.back(), " is missing");
    require(container.storages[i].bytes <= *size, where, ": storage ", document.storages[i].key, " claims ",
            container.storages[i].bytes, " bytes, its entry has ", *size);
  }
  container.reader = std::make_unique<ZipStorages>(archive, std::move(entries), container.storages,
                                                   is_big_endian(*archive, prefix, where));
  return container;
}

}  // namespace tweedie
