// Streams that take nothing: notes are lost without a word, results are not.
#include "tools/say.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <memory>

#include "tests/tools/files_for_tests.hpp"
#include "tools/progress.hpp"
#include "tools/run_main.hpp"

namespace tweedie::test {
namespace {

struct Stream {
  std::FILE* file;
  explicit Stream(std::FILE* opened) : file(opened) { REQUIRE(file != nullptr); }
  ~Stream() { std::fclose(file); }
};

/// The writing end of a pipe that nobody reads.
std::FILE* without_reader() {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[0]);
  return ::fdopen(ends[1], "w");
}

/// The exit code of `work` in a process of its own; 128 + the signal when one ended it.
int code_in_child(const std::function<int()>& work) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(work());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

template <class Body>
int run_quietly(std::vector<std::string> arguments, Body&& body) {
  arguments.insert(arguments.begin(), "tweedie-test");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  return run_main("tweedie-test", int(arguments.size()), argv.data(), body);
}

}  // namespace

TEST_CASE("say: a full stream, one that is only read, and one without a reader lose the text and no more") {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  for (std::FILE* file : {std::fopen("/dev/full", "w"), std::fopen("/dev/null", "r"), without_reader()}) {
    const Stream stream(file);
    say(stream.file, "tweedie-test: note: one line\n");
    say(stream.file, std::string(100000, 'x'));
    for (const ProgressStyle style : {ProgressStyle::lines, ProgressStyle::bar}) {
      Progress progress("restore", 3, style, stream.file);
      for (int i = 1; i <= 3; ++i) progress.update(i, 1.0);
    }
    std::string text = "short";
    CHECK(error_of([&] {
            print_result(text, stream.file, "the table");
          }).starts_with("the table: cannot be written: "));
    text.assign(100000, 'x');  // more than the stream's buffer
    CHECK(error_of([&] {
            print_result(text, stream.file, "the table");
          }).starts_with("the table: cannot be written: "));
  }
  std::signal(SIGPIPE, before);
}

TEST_CASE("print_result: the reason is the system's, and what can be written is") {
  const Stream full(std::fopen("/dev/full", "w"));
  CHECK(error_of([&] { print_result("x", full.file); }) ==
        "standard output: cannot be written: No space left on device");
  const Stream good(std::tmpfile());
  print_result("a table\n", good.file);
  CHECK(std::ftell(good.file) == 8);
}

TEST_CASE("run_main: help, a table and an error on streams that take nothing") {
  const auto with_stdout = [](const char* path, const std::vector<std::string>& arguments, auto body) {
    return code_in_child([&] {
      ::close(1);
      ::close(2);
      if (path) ::open(path, O_WRONLY);
      return run_quietly(arguments, body);
    });
  };
  const auto table = [](CLI::App& app, int count, char** words) {
    app.parse(count, words);
    say("a note\n");
    print_result("a table\n");
    return 0;
  };
  const auto note = [](CLI::App&, int, char**) {
    say("a note\n");
    say(stdout, "a note\n");
    return 0;
  };
  CHECK(with_stdout("/dev/null", {"--help"}, table) == 0);
  CHECK(with_stdout("/dev/full", {"--help"}, table) == 2);
  CHECK(with_stdout("/dev/full", {"--version"}, table) == 2);
  CHECK(with_stdout("/dev/null", {}, table) == 0);
  CHECK(with_stdout("/dev/full", {}, table) == 2);
  CHECK(with_stdout(nullptr, {}, table) == 2);  // closed
  CHECK(with_stdout("/dev/full", {}, note) == 0);
  CHECK(with_stdout(nullptr, {}, note) == 0);
}

TEST_CASE("run_main: a reader that went away is a lost result, not a killed program") {
  const auto code = [](auto body) {
    return code_in_child([&] {
      std::signal(SIGPIPE, SIG_DFL);
      int ends[2];
      if (::pipe(ends) != 0) return 99;
      ::close(ends[0]);
      ::dup2(ends[1], 1);
      ::dup2(ends[1], 2);
      return run_quietly({}, body);
    });
  };
  CHECK(code([](CLI::App&, int, char**) {
          print_result("a table\n");
          return 0;
        }) == 2);
  CHECK(code([](CLI::App&, int, char**) {
          say("a note\n");
          return 0;
        }) == 0);
}

TEST_CASE("run_main: no file that a program opens gets the number of a closed standard stream") {
  const TemporaryFolder folder;
  const std::string path = folder / "result";
  const int code = code_in_child([&] {
    for (const int stream : {0, 1, 2}) ::close(stream);
    return run_quietly({}, [&](CLI::App&, int, char**) {
      const int file = ::open(path.c_str(), O_WRONLY | O_CREAT, 0666);
      say("a note\n");
      say(stdout, "a note\n");
      return file > 2 ? 0 : 3;
    });
  });
  CHECK(code == 0);
  CHECK(read_bytes(path).empty());
}

}  // namespace tweedie::test
