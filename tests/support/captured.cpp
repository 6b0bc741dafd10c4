#include "tests/support/captured.hpp"

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <stdexcept>

namespace tweedie::test {
namespace {

/// A standard stream that goes to a file while this lives.
class Redirected {
 public:
  Redirected(int stream) : stream_(stream), file_(std::tmpfile()), before_(::dup(stream)) {
    if (!file_ || before_ < 0 || ::dup2(::fileno(file_), stream_) < 0)
      throw std::runtime_error("captured: no file for what is printed");
  }
  ~Redirected() {
    flush();
    ::dup2(before_, stream_);
    ::close(before_);
    std::fclose(file_);
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;

  std::string text() const {
    flush();
    std::string text;
    char part[4096];
    for (::ssize_t at = 0, count = 0; (count = ::pread(::fileno(file_), part, sizeof part, ::off_t(at))) > 0;
         at += count)
      text.append(part, std::size_t(count));
    return text;
  }
  static void flush() {
    std::cout.flush();
    std::fflush(nullptr);
  }

 private:
  int stream_;
  std::FILE* file_;
  int before_;
};

}  // namespace

Printed captured(const std::function<int()>& program) {
  Redirected::flush();
  const Redirected out(STDOUT_FILENO), error(STDERR_FILENO);
  const int code = program();
  return {code, out.text(), error.text()};
}

}  // namespace tweedie::test
