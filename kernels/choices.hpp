// Choices that one process makes and later ones keep to: lines of a small text file.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace tweedie {

/// Text by text: what was chosen for a key, in this process or in an earlier one that wrote to the same file.
/// The file has a line "key, tab, choice" each. It is replaced as a whole, so that no process reads half of
/// one; of two processes that write at once one may lose a line, which then is chosen again. What cannot be
/// read or written, or is no such line, is passed over without a word. Used by any thread.
class Choices {
 public:
  /// `path`: empty where nothing is to be kept.
  explicit Choices(std::string path) { open(std::move(path)); }
  /// Forgets everything and reads this file, as a new process would.
  void open(std::string path);
  std::optional<std::string> find(const std::string& key) const;
  /// Neither may hold a line's end, nor the choice a tab.
  void keep(const std::string& key, const std::string& choice);

 private:
  mutable std::mutex mutex_;
  std::string path_;
  std::map<std::string, std::string> lines_;
};

/// Where the choices of cuDNN's engines are kept: what environment variable TWEEDIE_ENGINE_CACHE names
/// (empty: nowhere), else tweedie/cudnn-engines.txt in $XDG_CACHE_HOME, else in $HOME/.cache.
std::string engine_cache_path();

}  // namespace tweedie
