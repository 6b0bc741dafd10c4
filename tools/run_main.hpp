// The frame of every program's main: what the command line and the errors look like, and the exit codes.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>
#include <sstream>
#include <string>

#include "kernels/error.hpp"
#include "tools/say.hpp"
#include "weights/read_files.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace tweedie {

/// The text on one line: every run of control characters and spaces becomes one space, none at the ends.
inline std::string one_line(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool blank = c == ' ' || (static_cast<unsigned char>(c) < 0x20) || c == 0x7f;
    if (!blank)
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

/// Errors: an option, or what stands without one, was given as the empty text. That is what an unset variable
/// of a shell leaves, and it would count as not stated.
inline void refuse_empty_values(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options())
    for (const std::string& text : option->results())
      require(!text.empty(), option->get_name(), ": is empty, expected a value");
}

/// Weights are read through blocks of up to tens of MiB. glibc learns from the first of them to keep such for
/// itself; told a limit, it gives each back.
inline void give_back_large_blocks() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
#endif
}

/// Runs a program: `body(app, argc, argv)` declares its options on the CLI::App, calls `app.parse(argc,
/// argv)` and works; what it returns is the exit code. --help and --version come with the app. Every failure
/// is one line on stderr, "PROGRAM: error: ...":
///   2  the command line, bad input or a failed library call (`Error`), out of memory, a result that stdout
///      does not take
///   1  anything else, which is a mistake of ours
template <class Body>
int run_main(const char* program, int argc, char** argv, Body&& body) {
  const auto fail = [&](const std::string& what, int code) {
    std::fflush(stdout);
    say(message(program, ": error: ", one_line(what), "\n"));
    return code;
  };
  guard_standard_streams();
  give_back_large_blocks();
  try {
    const ReadFiles reads;
    CLI::App app("", program);
    app.parse_complete_callback([&app] { refuse_empty_values(app); });
    app.set_version_flag("--version", std::string(program) + " " + TWEEDIE_VERSION);
    try {
      return body(app, argc, argv);
    } catch (const CLI::Success& request) {  // --help, --version
      std::ostringstream text;
      const int code = app.exit(request, text, text);
      print_result(text.str());
      return code;
    } catch (const CLI::ParseError& error) {
      return fail(std::string(error.what()) + " (see " + program + " --help)", 2);
    }
  } catch (const Error& error) {
    return fail(error.what(), 2);
  } catch (const std::bad_alloc&) {
    return fail("out of memory", 2);
  } catch (const std::exception& error) {
    return fail(std::string("unexpected: ") + error.what(), 1);
  } catch (...) {
    return fail("unexpected: an exception of unknown type", 1);
  }
}

}  // namespace tweedie
