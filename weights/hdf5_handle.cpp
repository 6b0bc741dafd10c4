#include "weights/hdf5_handle.hpp"

namespace tweedie {

namespace {

// Upward, the first entry of the stack is the innermost function: the one that knows.
herr_t keep_first(unsigned depth, const H5E_error2_t* entry, void* reason) {
  if (depth == 0 && entry->desc != nullptr) *static_cast<std::string*>(reason) = entry->desc;
  return 0;
}

// What a user can do about it, where the library's words do not say so.
const char* advice(const std::string& reason) {
  if (reason.find("unable to lock file") != std::string::npos)
    return "; is it open in another program? HDF5_USE_FILE_LOCKING=FALSE opens it all the same";
  if (reason.find("already open for write") != std::string::npos)
    return "; the program that writes it has not closed it";
  return "";
}

}  // namespace

std::string hdf5_reason() {
  std::string reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason);
  return reason.empty() ? "" : " (HDF5: " + reason + advice(reason) + ")";
}

}  // namespace tweedie
