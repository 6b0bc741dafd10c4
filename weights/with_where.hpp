// Errors of what is deep below a file, said of the file.
#pragma once

#include <string>
#include <utility>

#include "kernels/error.hpp"

namespace tweedie {

/// What `body` returns; an `Error` of it that does not begin with `where` is thrown as "WHERE: ...".
template <class Body>
decltype(auto) with_where(const std::string& where, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const Error& error) {
    const std::string what = error.what();
    if (what.starts_with(where)) throw;
    throw Error(where + ": " + what);
  }
}

}  // namespace tweedie
