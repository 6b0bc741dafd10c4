// HDF5 identifiers that close themselves, and calls whose failure is an Error in one line.
#pragma once

#include <hdf5.h>

#include <string>
#include <utility>

#include "kernels/error.hpp"

namespace tweedie {

/// Why the library's last call failed, as " (HDF5: ...)": the innermost text of its error stack, and advice
/// where there is some. Empty when it failed without a reason. Ask before the next call, which clears the
/// stack.
std::string hdf5_reason();

/// As `require`, for a call of the library: its reason is added to the message.
template <class... Parts>
void require_hdf5(Condition condition, const Parts&... parts) {
  if (!condition.holds) [[unlikely]]
    throw Error(message(parts...) + hdf5_reason(), condition.where);
}

/// Owns one HDF5 identifier of any kind; throws `Error` with the given text and the library's reason when it
/// is invalid.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Hdf5Handle(hid_t id, Close close, const std::string& failure,
             std::source_location where = std::source_location::current())
      : id_(id), close_(close) {
    if (id < 0) throw Error(failure + hdf5_reason(), where);
  }
  ~Hdf5Handle() { reset(); }
  Hdf5Handle(Hdf5Handle&& other) noexcept
      : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    reset();
    id_ = std::exchange(other.id_, H5I_INVALID_HID);
    close_ = other.close_;
    return *this;
  }

  operator hid_t() const { return id_; }

  /// Closes now; returns whether the library agreed.
  bool reset() { return id_ < 0 || close_(std::exchange(id_, H5I_INVALID_HID)) >= 0; }

 private:
  hid_t id_;
  Close close_;
};

/// Keeps the library from printing its error stack: our errors say what a user needs.
inline void quiet_hdf5() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

}  // namespace tweedie
