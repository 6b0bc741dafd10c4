#include "tools/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "kernels/error.hpp"
#include "weights/descriptor.hpp"
#include "weights/read_files.hpp"

namespace tweedie {
namespace {

/// Why the last system call failed. The call must be a statement of its own, before: among the arguments of
/// one `require`, this may be evaluated first.
std::string reason() { return std::strerror(errno); }

}  // namespace

std::string read_file(const std::string& path, std::size_t max_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  require(file.get() >= 0, path, ": cannot open: ", reason());
  struct stat status {};
  const bool known = ::fstat(file.get(), &status) == 0;
  require(known, path, ": cannot open: ", reason());
  require(!S_ISDIR(status.st_mode), path, ": is a directory, expected a file");

  note_read(path);
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

OutputDirectory::OutputDirectory(const std::string& path, const std::vector<std::string>& names) {
  namespace fs = std::filesystem;
  for (const std::string& name : names) require_not_read((fs::path(path) / name).string());
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

void require_outside(const std::string& output, const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code failure;
  const fs::path inner = fs::weakly_canonical(fs::absolute(output, failure), failure),
                 outer = fs::weakly_canonical(fs::absolute(folder, failure), failure);
  if (failure) return;  // who opens them says why
  const fs::path between = inner.lexically_relative(outer);
  require(between.empty() || *between.begin() == "..", output, ": lies in ", folder,
          ", whose files are read: results would be among them; write to another folder");
}

void require_writable(const std::string& path) { StagedFile attempt(path); }

}  // namespace tweedie
