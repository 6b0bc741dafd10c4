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
  /// `names` are the files that will be written there. Throws `Error` as `ensure_output_directory`, and where
  /// the run reads one of those files (see ReadFiles); so make it once the inputs were opened.
  explicit OutputDirectory(const std::string& path, const std::vector<std::string>& names = {});
  ~OutputDirectory();
  OutputDirectory(const OutputDirectory&) = delete;
  OutputDirectory& operator=(const OutputDirectory&) = delete;

 private:
  void remove_unused() noexcept;
  std::vector<std::string> made_;  ///< the innermost first
};

/// Errors: the folder for the output lies in `folder`, or is it: whoever reads all files below that would
/// take results for inputs, the next time.
void require_outside(const std::string& output, const std::string& folder);

/// Errors: no file can be written to `path`, which may exist. To be asked before work whose result it will
/// hold.
void require_writable(const std::string& path);

}  // namespace tweedie
