// Random access to the bytes of a file, or of a buffer that stands for one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tweedie {

/// Bytes that can be read at any offset. Every reader of a checkpoint works on this, so that files, tests and
/// fuzzing take the same path.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// Total number of bytes.
  std::uint64_t size() const { return size_; }

  /// What to call it in messages: the path as the user gave it.
  const std::string& name() const { return name_; }

  /// Fills `out` with the bytes from `offset` on; throws `Error` when they reach past the end.
  void read(std::span<std::byte> out, std::uint64_t offset) const;

 protected:
  ByteSource(std::string name, std::uint64_t size) : name_(std::move(name)), size_(size) {}

 private:
  virtual void read_inside(std::span<std::byte> out, std::uint64_t offset) const = 0;

  std::string name_;
  std::uint64_t size_;
};

/// Opens a regular file for reading; throws `Error` when it is missing, a directory or unreadable.
std::shared_ptr<const ByteSource> open_file(const std::string& path);

/// Wraps bytes in memory under the given name.
std::shared_ptr<const ByteSource> open_bytes(std::vector<std::byte> bytes, const std::string& name);

/// Lower-case hexadecimal SHA-256 of all bytes of the source.
std::string sha256_hex(const ByteSource& source);

}  // namespace tweedie
