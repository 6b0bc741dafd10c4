#include "tools/say.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "kernels/error.hpp"

namespace tweedie {

void say(std::FILE* out, std::string_view text) noexcept {
  std::fwrite(text.data(), 1, text.size(), out);
  std::fflush(out);
}

void say(std::string_view text) noexcept { say(stderr, text); }

void print_result(std::string_view text, std::FILE* out, std::string_view name) {
  // A note that failed earlier on the same stream says nothing about this text.
  std::clearerr(out);
  errno = 0;
  const bool written = std::fwrite(text.data(), 1, text.size(), out) == text.size() && std::fflush(out) == 0;
  const int reason = errno;
  require(written, name, ": cannot be written: ", std::strerror(reason));
}

void guard_standard_streams() {
  std::signal(SIGPIPE, SIG_IGN);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is this one. Opened against its direction, so that a result printed there is
    // reported as lost.
    const int flags = stream == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (::open("/dev/null", flags) < 0) return;  // nothing better can be done
  }
}

}  // namespace tweedie
