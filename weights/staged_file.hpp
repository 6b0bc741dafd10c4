// A file that appears under its name complete, or not at all.
#pragma once

#include <functional>
#include <string>

namespace tweedie {

/// What may happen to a file that has the target's name already.
enum class Existing { replace, refuse };

/// A file in the making: write to `path()`, which lies beside the target, then `commit()`. Until then the
/// target is untouched; without a commit nothing is left behind. An existing regular target is replaced
/// (through a symbolic link, the file it points to) where that is allowed; anything else there (folder,
/// device) is refused with `Error`.
class StagedFile {
 public:
  /// Creates the empty file beside the target. Throws `Error` if the folder is missing or not writable, or if
  /// the target exists and is not to be replaced.
  explicit StagedFile(const std::string& target, Existing existing = Existing::replace);
  ~StagedFile();
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;

  const std::string& path() const { return path_; }
  /// Flushes the content to the disk and gives it the target's name, in one step. Throws `Error` on failure,
  /// also when somebody has made a target meanwhile that is not to be replaced.
  void commit();

 private:
  void rename();

  std::string name_;    // the target as the caller wrote it, for messages
  std::string target_;  // with a symbolic link followed
  std::string path_;
  Existing existing_;
  bool committed_ = false;
};

/// Removes from `folder` the staged files of processes that were killed while they wrote: those of targets
/// whose name `of` accepts, made by a process that is gone. What cannot be removed stays; so does everything
/// where there is no such folder.
void remove_abandoned(const std::string& folder, const std::function<bool(const std::string& name)>& of);

}  // namespace tweedie
