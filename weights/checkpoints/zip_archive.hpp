// Read access to the entries of a zip archive: stored as they are, as PyTorch stores them, or compressed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "weights/checkpoints/byte_source.hpp"

namespace tweedie {

/// Whether the end record of an archive's directory lies where it must: at the end, behind all of the rest.
bool is_zip(const ByteSource& source);

/// A zip archive open for reading. Sizes of stored entries are held against the archive's own.
class ZipArchive {
 public:
  /// Reads the directory; throws `Error` when it is damaged or truncated.
  explicit ZipArchive(std::shared_ptr<const ByteSource> source);
  ~ZipArchive();
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  /// Names of all entries.
  std::vector<std::string> names() const;

  /// Size in bytes of an entry, or nothing when there is none of that name. Throws `Error` when it is
  /// compressed, encrypted or larger than the archive.
  std::optional<std::uint64_t> size(const std::string& entry) const;

  /// Fills `out` with an entry's bytes from `offset` on. An entry read as a whole is held against its
  /// checksum.
  void read(std::span<std::byte> out, const std::string& entry, std::uint64_t offset) const;

  /// All bytes of an entry that is stored or deflated, held against its checksum. Throws `Error` when there
  /// is none of that name, when it is encrypted or compressed otherwise, when it is damaged, and when it
  /// claims more bytes than its compressed ones can unfold into.
  std::vector<std::byte> inflated(const std::string& entry) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tweedie
