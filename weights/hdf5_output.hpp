// An HDF5 file being written whose close cannot fail.
//
// When a write fails, H5Fclose fails too: HDF5 (1.10 at least) then frees the file, keeps its identifier and
// crashes in its exit handler. So the library writes through a driver of ours, which tells it that every
// write succeeded, and remembers the first that did not.
#pragma once

#include <memory>
#include <string>

#include "weights/hdf5_handle.hpp"

namespace tweedie {

class Hdf5Output {
 public:
  /// Begins an HDF5 file in `path`, which exists and is empty. Throws `Error`; `name` begins its messages.
  Hdf5Output(const std::string& path, const std::string& name);
  ~Hdf5Output();
  Hdf5Output(const Hdf5Output&) = delete;
  Hdf5Output& operator=(const Hdf5Output&) = delete;

  hid_t file() const;
  /// Throws `Error` with the system's reason when a write has failed so far.
  void require_written() const;
  /// Lets the library write what it still holds, and closes the file. Throws `Error` as above. No call may
  /// follow.
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tweedie
