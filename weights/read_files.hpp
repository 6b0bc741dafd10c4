// Which files a run reads, so that none of its results takes the place of one.
#pragma once

#include <string>

namespace tweedie {

/// The files that are opened for reading while this lives. A file is known by its device, inode and time of
/// birth: its other names, symbolic links and hard links are the same file, and one that takes the inode of a
/// file that is gone is another, where the file system knows births. `run_main` makes one for each run of a
/// program. Files are opened deep below the programs, so whoever opens one tells whichever of these lives, as
/// the system has one table of open files for a process; while none lives, nothing is noted. From any thread.
class ReadFiles {
 public:
  /// Errors (`std::logic_error`): another one lives.
  ReadFiles();
  ~ReadFiles();
  ReadFiles(const ReadFiles&) = delete;
  ReadFiles& operator=(const ReadFiles&) = delete;
};

/// The file is read, or will be. Nothing happens where there is no such file.
void note_read(const std::string& path);

/// The file was read, but is the run's own from an earlier time, such as a checkpoint: it may be replaced.
void note_own(const std::string& path);

/// Whether the file was noted as read.
bool is_read(const std::string& path);

/// Errors: `path` is a file that the run reads, so nothing may be written there.
void require_not_read(const std::string& path);

}  // namespace tweedie
