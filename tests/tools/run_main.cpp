// Exit codes and the one line of every failure.
#include "tools/run_main.hpp"

#include <stdexcept>

#include "tests/support/captured.hpp"
#include "tests/tools/files_for_tests.hpp"

namespace tweedie::test {
namespace {

/// Runs `body` as the program "tweedie-test" with these arguments.
template <class Body>
Printed run(std::vector<std::string> arguments, Body&& body) {
  arguments.insert(arguments.begin(), "tweedie-test");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  return captured([&] { return run_main("tweedie-test", int(arguments.size()), argv.data(), body); });
}

template <class Exception>
Printed thrown(const Exception& exception) {
  return run({}, [&](CLI::App&, int, char**) -> int { throw exception; });
}

}  // namespace

TEST_CASE("run_main: a program that works, or says its own exit code") {
  const auto body = [](CLI::App& app, int argc, char** argv) {
    int steps = 0;
    app.add_option("--steps", steps, "Number of steps")->required();
    app.parse(argc, argv);
    return steps;
  };
  Printed outcome = run({"--steps", "0"}, body);
  CHECK(outcome.code == 0);
  CHECK(outcome.error.empty());
  CHECK(run({"--steps", "1"}, body).code == 1);

  outcome = run({"--steps", "many"}, body);
  CHECK(outcome.code == 2);
  CHECK(outcome.error.rfind("tweedie-test: error: ", 0) == 0);
  CHECK(outcome.error.find("--steps") != std::string::npos);
  CHECK(outcome.error.ends_with(" (see tweedie-test --help)\n"));
  CHECK(std::count(outcome.error.begin(), outcome.error.end(), '\n') == 1);
  CHECK(run({}, body).error == "tweedie-test: error: --steps is required (see tweedie-test --help)\n");
  CHECK(run({"--stops", "1"}, body).code == 2);

  outcome = run({"--help"}, body);
  CHECK(outcome.code == 0);
  CHECK(outcome.out.find("Number of steps") != std::string::npos);
  CHECK(outcome.error.empty());
  outcome = run({"--version"}, body);
  CHECK(outcome.code == 0);
  CHECK(outcome.out == "tweedie-test " TWEEDIE_VERSION "\n");
}

TEST_CASE("run_main: an option without a text is refused, not taken for unstated") {
  const auto body = [](CLI::App& app, int argc, char** argv) {
    std::string weights, file;
    std::vector<std::string> labels;
    app.add_option("--weights", weights);
    app.add_option("--label", labels);
    app.add_option("FILE", file);
    app.parse(argc, argv);
    return 0;
  };
  CHECK(run({}, body).code == 0);
  CHECK(run({"f", "--weights", "w", "--label", "a", "b"}, body).code == 0);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--weights", ""}, {"--label", "a", ""}, {""}}) {
    const Printed outcome = run(words, body);
    CHECK(outcome.code == 2);
    CHECK(outcome.error.ends_with("is empty, expected a value\n"));
  }
}

TEST_CASE("run_main: every failure is one line and a code") {
  Printed outcome = thrown(Error("photo.png: truncated\nPNG\t here\r\n"));
  CHECK(outcome.code == 2);
  CHECK(outcome.error == "tweedie-test: error: photo.png: truncated PNG here\n");
  outcome = thrown(std::bad_alloc());
  CHECK(outcome.code == 2);
  CHECK(outcome.error == "tweedie-test: error: out of memory\n");
  outcome = thrown(std::logic_error("index 5\n of 4"));
  CHECK(outcome.code == 1);
  CHECK(outcome.error == "tweedie-test: error: unexpected: index 5 of 4\n");
  outcome = thrown(42);
  CHECK(outcome.code == 1);
  CHECK(outcome.error == "tweedie-test: error: unexpected: an exception of unknown type\n");
  CHECK(one_line("caf\xc3\xa9  \x01\x7f x ") == "caf\xc3\xa9 x");
}

}  // namespace tweedie::test
