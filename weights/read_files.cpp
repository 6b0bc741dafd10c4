#include "weights/read_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <tuple>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

/// Device, inode, and seconds and nanoseconds of birth (0 where the file system does not know them).
using Identity = std::tuple<std::uint64_t, std::uint64_t, std::int64_t, std::uint32_t>;

struct Register {
  std::mutex mutex;
  std::unique_ptr<std::set<Identity>> files;  // nothing while no ReadFiles lives
};

// One for the process: see the header.
Register& of_process() {
  static Register all;
  return all;
}

std::optional<Identity> identity_of(const std::string& path) {
  struct statx s {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_TYPE | STATX_INO | STATX_BTIME, &s) != 0) {
    struct stat old {};  // what older kernels and containers allow
    if (::stat(path.c_str(), &old) != 0 || !S_ISREG(old.st_mode)) return {};
    return Identity{std::uint64_t(major(old.st_dev)) << 32 | minor(old.st_dev), old.st_ino, 0, 0};
  }
  if (!S_ISREG(s.stx_mode)) return {};
  const bool born = (s.stx_mask & STATX_BTIME) != 0;
  return Identity{std::uint64_t(s.stx_dev_major) << 32 | s.stx_dev_minor, s.stx_ino,
                  born ? s.stx_btime.tv_sec : 0, born ? s.stx_btime.tv_nsec : 0};
}

}  // namespace

ReadFiles::ReadFiles() {
  const std::lock_guard lock(of_process().mutex);
  if (of_process().files) throw std::logic_error("two runs of programs in one process at once");
  of_process().files = std::make_unique<std::set<Identity>>();
}

ReadFiles::~ReadFiles() {
  const std::lock_guard lock(of_process().mutex);
  of_process().files.reset();
}

void note_read(const std::string& path) {
  const std::lock_guard lock(of_process().mutex);
  if (!of_process().files) return;
  if (const auto file = identity_of(path)) of_process().files->insert(*file);
}

void note_own(const std::string& path) {
  const std::lock_guard lock(of_process().mutex);
  if (!of_process().files) return;
  if (const auto file = identity_of(path)) of_process().files->erase(*file);
}

bool is_read(const std::string& path) {
  const std::lock_guard lock(of_process().mutex);
  if (!of_process().files) return false;
  const auto file = identity_of(path);
  return file && of_process().files->contains(*file);
}

void require_not_read(const std::string& path) {
  require(!is_read(path), path,
          ": this run reads it, and a result would take its place; write to another folder or name");
}

}  // namespace tweedie
