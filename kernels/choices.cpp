#include "kernels/choices.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

namespace tweedie {
namespace {

using Lines = std::map<std::string, std::string>;

void read_lines(Lines& to, const std::string& path) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (const std::size_t tab = line.rfind('\t'); tab != std::string::npos)
      to[line.substr(0, tab)] = line.substr(tab + 1);
}

void write_lines(const std::string& path, const Lines& lines) {
  std::error_code error;  // never looked at: whoever cannot keep a choice makes it again
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  const std::string beside = path + "." + std::to_string(getpid());
  std::ofstream file(beside);
  for (const auto& [key, choice] : lines) file << key << '\t' << choice << '\n';
  file.close();
  if (file.good()) std::filesystem::rename(beside, path, error);
  std::filesystem::remove(beside, error);
}

}  // namespace

void Choices::open(std::string path) {
  const std::lock_guard lock(mutex_);
  path_ = std::move(path);
  lines_.clear();
  if (!path_.empty()) read_lines(lines_, path_);
}

std::optional<std::string> Choices::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = lines_.find(key);
  return found == lines_.end() ? std::nullopt : std::optional(found->second);
}

void Choices::keep(const std::string& key, const std::string& choice) {
  const std::lock_guard lock(mutex_);
  lines_[key] = choice;
  if (path_.empty()) return;
  Lines all;  // with what others have written since; what this process chose stays as it is
  read_lines(all, path_);
  all[key] = choice;
  write_lines(path_, all);
}

std::string engine_cache_path() {
  if (const char* path = std::getenv("TWEEDIE_ENGINE_CACHE")) return path;
  // A relative one is to be ignored, says the XDG Base Directory Specification.
  const char* const folder = std::getenv("XDG_CACHE_HOME");
  const char* const home = std::getenv("HOME");
  const std::string cache = folder && *folder == '/' ? folder
                            : home && *home          ? std::string(home) + "/.cache"
                                                     : "";
  return cache.empty() ? cache : cache + "/tweedie/cudnn-engines.txt";
}

}  // namespace tweedie
