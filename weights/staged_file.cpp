#include "weights/staged_file.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <regex>
#include <utility>
#include <vector>

#include "kernels/error.hpp"
#include "weights/descriptor.hpp"
#include "weights/read_files.hpp"

namespace tweedie {
namespace {

/// Why the last system call failed. The call must be a statement of its own, before: among the arguments of
/// one `require`, this may be evaluated first.
std::string reason() { return std::strerror(errno); }

bool sync(int descriptor) {
  return ::fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP;  // some file systems have no fsync
}

/// The target's name and the process in the name of a staged file, TARGET.PID.ATTEMPT.tmp; nothing for
/// another file.
std::optional<std::pair<std::string, ::pid_t>> staged_by(const std::string& name) {
  const std::regex form(R"((.+)\.([1-9][0-9]{0,8})\.[0-9]{1,4}\.tmp)");
  std::smatch parts;
  if (!std::regex_match(name, parts, form)) return {};
  return std::pair{parts[1].str(), ::pid_t(std::stol(parts[2]))};
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
    require_not_read(name_);
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

void remove_abandoned(const std::string& folder, const std::function<bool(const std::string&)>& of) {
  std::error_code error;
  std::vector<std::filesystem::path> abandoned;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const auto staged = staged_by(entry.path().filename().string());
    if (staged && of(staged->first) && ::kill(staged->second, 0) != 0 && errno == ESRCH)
      abandoned.push_back(entry.path());
  }
  for (const std::filesystem::path& path : abandoned) std::filesystem::remove(path, error);
}

}  // namespace tweedie
