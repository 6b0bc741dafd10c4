#include "weights/checkpoints/byte_source.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "kernels/error.hpp"
#include "weights/read_files.hpp"

namespace tweedie {

void ByteSource::read(std::span<std::byte> out, std::uint64_t offset) const {
  require(offset <= size_ && out.size() <= size_ - offset, name_, ": truncated: bytes ", offset, " to ",
          offset + out.size(), " are wanted, the file ends at ", size_);
  if (!out.empty()) read_inside(out, offset);
}

namespace {

class FileSource final : public ByteSource {
 public:
  FileSource(const std::string& path, int descriptor, std::uint64_t size)
      : ByteSource(path, size), descriptor_(descriptor) {}
  ~FileSource() override { ::close(descriptor_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

 private:
  void read_inside(std::span<std::byte> out, std::uint64_t offset) const override {
    while (!out.empty()) {
      const ssize_t got = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      require(got >= 0, name(), ": cannot read: ", std::strerror(errno));
      require(got > 0, name(), ": became shorter while it was read");
      out = out.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
  }

  int descriptor_;
};

class MemorySource final : public ByteSource {
 public:
  MemorySource(const std::string& name, std::vector<std::byte> bytes)
      : ByteSource(name, bytes.size()), bytes_(std::move(bytes)) {}

 private:
  void read_inside(std::span<std::byte> out, std::uint64_t offset) const override {
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
  }

  std::vector<std::byte> bytes_;
};

}  // namespace

std::shared_ptr<const ByteSource> open_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  require(descriptor >= 0, path, ": cannot open: ", std::strerror(errno));
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    throw Error(path + ": not a regular file");
  }
  note_read(path);
  return std::make_shared<FileSource>(path, descriptor, static_cast<std::uint64_t>(status.st_size));
}

std::shared_ptr<const ByteSource> open_bytes(std::vector<std::byte> bytes, const std::string& name) {
  return std::make_shared<MemorySource>(name, std::move(bytes));
}

std::string sha256_hex(const ByteSource& source) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  require(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1,
          "libcrypto offers no SHA-256");
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  for (std::uint64_t at = 0; at < source.size();) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), source.size() - at));
    source.read(std::span(buffer).first(count), at);
    require(EVP_DigestUpdate(context.get(), buffer.data(), count) == 1, "libcrypto failed to hash");
    at += count;
  }
  std::array<unsigned char, 32> digest{};
  require(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1, "libcrypto failed to hash");
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

}  // namespace tweedie
