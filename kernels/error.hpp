// Errors: one exception type, one way to state what a caller must hold to.
#pragma once

#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>

namespace tweedie {

/// What went wrong, in one line a user can act on (`what()`), and where in our source it was noticed
/// (`where()`, "file:line"). Tools print `what()` and exit with code 2.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, std::source_location where = std::source_location::current())
      : std::runtime_error(message),
        where_(std::string(where.file_name()) + ":" + std::to_string(where.line())) {}
  const std::string& where() const { return where_; }

 private:
  std::string where_;
};

/// A condition that remembers the line it was written on, so that `require` needs no macro.
struct Condition {
  bool holds;
  std::source_location where;
  Condition(bool condition, std::source_location location = std::source_location::current())
      : holds(condition), where(location) {}
};

/// Concatenates the streamed parts of a message.
template <class... Parts>
std::string message(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Throws `Error` with the concatenated parts unless the condition holds. For mistakes of the caller and
/// for bad input: say what, where, and what was expected.
template <class... Parts>
void require(Condition condition, const Parts&... parts) {
  if (!condition.holds) [[unlikely]]
    throw Error(message(parts...), condition.where);
}

}  // namespace tweedie
