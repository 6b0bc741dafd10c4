#include "tools/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  /// Closes now, for callers to whom a failure matters (some file systems report a full disk only here).
  bool close() { return ::close(std::exchange(value_, -1)) == 0; }

 private:
  int value_;
};

/// Why the last system call failed. The call must be a statement of its own, before: among the arguments of
/// one `require`, this may be evaluated first.
std::string reason() { return std::strerror(errno); }

bool sync(int descriptor) {
  return ::fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP;  // some file systems have no fsync
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

std::string read_file(const std::string& path, std::size_t max_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  require(file.get() >= 0, path, ": cannot open: ", reason());
  struct stat status {};
  const bool known = ::fstat(file.get(), &status) == 0;
  require(known, path, ": cannot open: ", reason());
  require(!S_ISDIR(status.st_mode), path, ": is a directory, expected a file");

  std::string bytes;
  if (S_ISREG(status.st_mode)) bytes.reserve(std::min(std::size_t(status.st_size), max_bytes));
  char block[1 << 16];
  for (;;) {
    const ssize_t got = ::read(file.get(), block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    require(got >= 0, path, ": cannot read: ", reason());
    if (got == 0) return bytes;
    require(std::size_t(got) <= max_bytes - bytes.size(), path, ": larger than ", max_bytes,
            " bytes, the most that is read");
    bytes.append(block, std::size_t(got));
  }
}

StagedFile::StagedFile(const std::string& target) : name_(target), target_(target) {
  struct stat status {};
  if (::stat(target.c_str(), &status) == 0) {
    require(!S_ISDIR(status.st_mode), name_, ": cannot write: is a directory");
    require(S_ISREG(status.st_mode), name_, ": cannot write: is not a regular file");
    std::error_code failure;
    target_ = std::filesystem::canonical(target, failure).string();
    require(!failure, name_, ": cannot write: ", failure.message());
  }
  for (int attempt = 0; path_.empty(); ++attempt) {
    const std::string candidate = message(target_, ".", ::getpid(), ".", attempt, ".tmp");
    const Descriptor file(::open(candidate.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file.get() < 0 && errno == EEXIST && attempt < 1000) continue;
    require(file.get() >= 0, name_, ": cannot write: ", reason());
    path_ = candidate;
  }
}

StagedFile::~StagedFile() {
  if (!committed_ && ::unlink(path_.c_str()) != 0)
    std::fprintf(stderr, "%s: cannot remove: %s\n", path_.c_str(), std::strerror(errno));
}

void StagedFile::commit() {
  {
    Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    committed_ = file.get() >= 0 && sync(file.get()) && file.close();
  }
  committed_ = committed_ && ::rename(path_.c_str(), target_.c_str()) == 0;
  require(committed_, name_, ": cannot write: ", reason());
  // The new name survives a power failure only once its folder is on the disk; that is a best effort.
  const Descriptor folder(::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) sync(folder.get());
}

void atomic_write(const std::string& path, std::string_view bytes) {
  StagedFile staged(path);
  {
    Descriptor file(::open(staged.path().c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    require(file.get() >= 0, path, ": cannot write: ", reason());
    while (!bytes.empty()) {
      const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      require(written >= 0, path, ": cannot write: ", reason());
      bytes.remove_prefix(std::size_t(written));
    }
    const bool closed = file.close();
    require(closed, path, ": cannot write: ", reason());
  }
  staged.commit();
}

void ensure_output_directory(const std::string& path) {
  require(!path.empty(), "the output directory has an empty name");
  std::error_code failure;
  std::filesystem::create_directories(path, failure);
  // An existing file makes create_directories fail with "not a directory" or succeed, by library version.
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0)
    require(S_ISDIR(status.st_mode), path, ": is a file, expected a directory for the output");
  require(!failure, path, ": cannot create the output directory: ", failure.message());
  const bool writable = ::faccessat(AT_FDCWD, path.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
  require(writable, path, ": cannot write to the output directory: ", reason());
}

OutputDirectory::OutputDirectory(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code failure;
  fs::path at = fs::absolute(path, failure).lexically_normal();
  if (!at.has_filename()) at = at.parent_path();  // "out/"
  for (; !failure && !path.empty() && at.has_relative_path() && !fs::exists(at, failure);
       at = at.parent_path())
    made_.push_back(at.string());
  try {
    ensure_output_directory(path);
  } catch (...) {
    remove_unused();
    throw;
  }
}

OutputDirectory::~OutputDirectory() { remove_unused(); }

void OutputDirectory::remove_unused() noexcept {
  for (const std::string& folder : made_)
    if (::rmdir(folder.c_str()) != 0) return;  // not empty: in use, and so are those above
}

}  // namespace tweedie
