#include "weights/read_files.hpp"

#include <sys/stat.h>

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "kernels/error.hpp"

namespace tweedie {
namespace {

using Identity = std::pair<::dev_t, ::ino_t>;

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
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return Identity{status.st_dev, status.st_ino};
}

}  // namespace

ReadFiles::ReadFiles() {
  const std::lock_guard lock(of_process().mutex);
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
