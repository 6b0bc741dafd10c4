// What a forward evaluation leaves for its backward.
#pragma once

#include <memory>

#include "kernels/error.hpp"

namespace tweedie {

/// State that a forward evaluation writes and its backward reads: made once by the object that evaluates
/// (`make_saved`), owned by the caller, refilled by every call. Two of them keep two evaluations of one
/// object alive at once. What it holds is known to its maker alone.
struct Saved {
  virtual ~Saved() = default;
};

/// `saved` as the state of its maker. Errors: another object's (`who` begins the message).
template <class T>
T& saved_as(Saved& saved, const char* who) {
  T* const own = dynamic_cast<T*>(&saved);
  require(own, who, ": the saved state of another kind of object");
  return *own;
}

}  // namespace tweedie
