#include "weights/staged_file.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "kernels/error.hpp"
#include "weights/descriptor.hpp"

namespace tweedie {
namespace {

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

StagedFile::StagedFile(const std::string& target, Existing existing)
    : name_(target), target_(target), existing_(existing) {
  struct stat status {};
  if (::stat(target.c_str(), &status) == 0) {
    require(!S_ISDIR(status.st_mode), name_, ": cannot write: is a directory");
    require(existing == Existing::replace, name_, ": exists already and is not overwritten");
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

void StagedFile::rename() {
  if (existing_ == Existing::refuse) {
    committed_ = ::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) == 0;
    require(committed_ || errno != EEXIST, name_, ": exists already and is not overwritten");
    if (committed_) return;  // some file systems know no such renaming
  }
  committed_ = ::rename(path_.c_str(), target_.c_str()) == 0;
}

void StagedFile::commit() {
  Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  const bool stored = file.get() >= 0 && sync(file.get()) && file.close();
  require(stored, name_, ": cannot write: ", reason());
  rename();
  require(committed_, name_, ": cannot write: ", reason());
  // The new name survives a power failure only once its folder is on the disk; that is a best effort.
  const Descriptor folder(::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) sync(folder.get());
}

}  // namespace tweedie
