// Files as the programs need them: read whole within a bound, written whole or not at all.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "weights/staged_file.hpp"

namespace tweedie {

/// Reads a whole file. Throws `Error`, beginning with the path, if it is missing, a folder, unreadable or
/// larger than `max_bytes`.
std::string read_file(const std::string& path, std::size_t max_bytes);

/// Writes `bytes` to `path`, whole or not at all (see StagedFile). Throws `Error`, for example on a full
/// disk.
void atomic_write(const std::string& path, std::string_view bytes);

/// Makes sure that `path` is a folder in which files can be created, creating it and its parents where
/// needed. Throws `Error` if it, or a parent, is a file or not writable. Call it after the inputs were
/// checked: a run that stops on bad input should leave no empty folder.
void ensure_output_directory(const std::string& path);

/// The folder a program writes its results to, made before the work, so that hours are not lost on a path
/// that cannot be written. Whatever folders it made and nobody wrote to are gone with it: work that failed
/// leaves nothing behind.
class OutputDirectory {
 public:
  /// Throws `Error` as `ensure_output_directory`.
  explicit OutputDirectory(const std::string& path);
  ~OutputDirectory();
  OutputDirectory(const OutputDirectory&) = delete;
  OutputDirectory& operator=(const OutputDirectory&) = delete;

 private:
  void remove_unused() noexcept;
  std::vector<std::string> made_;  ///< the innermost first
};

}  // namespace tweedie
