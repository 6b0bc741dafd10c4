#include "tools/progress.hpp"

#include <algorithm>
#include <cstdio>

#include "tests/tools/files_for_tests.hpp"

namespace tweedie::test {
namespace {

/// What a progress of `steps` steps, each `step_seconds` long by a clock of ours, prints.
std::string printed(int steps, double step_seconds, ProgressStyle style, int until = 0) {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  double now = 100;
  {
    Progress progress("restore", steps, style, file, [&] { return now; });
    for (int done = 1; done <= (until > 0 ? until : steps); ++done) {
      now += done == 1 ? 10 * step_seconds : step_seconds;  // the first step is slow, as in real runs
      progress.update(done, 0.5 * done);
    }
  }
  std::string text(std::size_t(std::ftell(file)), '\0');
  std::rewind(file);
  REQUIRE(std::fread(text.data(), 1, text.size(), file) == text.size());
  std::fclose(file);
  return text;
}

std::ptrdiff_t count(const std::string& text, char c) { return std::count(text.begin(), text.end(), c); }

}  // namespace

TEST_CASE("progress in a file: plain lines, first, each tenth, last") {
  const std::string text = printed(100, 1, ProgressStyle::automatic);  // a file is no terminal
  CHECK(text.find('\r') == std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(count(text, '\n') == 11);
  CHECK(text.rfind("restore 1/100  |y - A x0| 0.5  10 s/step  16:30 left\n", 0) == 0);
  CHECK(text.find("restore 50/100  |y - A x0| 25  1 s/step  0:50 left\n") != std::string::npos);
  CHECK(text.ends_with("restore 100/100  |y - A x0| 50  1 s/step  1:49 in all\n"));
}

TEST_CASE("progress in a file: fast runs print little, slow ones at least each half minute") {
  CHECK(count(printed(1000, 0.001, ProgressStyle::lines), '\n') == 2);
  CHECK(count(printed(1000, 0.01, ProgressStyle::lines), '\n') <= 7);  // ten seconds, two apart
  CHECK(count(printed(1000, 7, ProgressStyle::lines), '\n') == 201);   // steps 1, 6, .. 96, 100, 105, .. 1000
  CHECK(printed(20, 3600, ProgressStyle::lines, 1).find("190:00:00 left") != std::string::npos);
}

TEST_CASE("progress on a terminal: one line, redrawn, ended at the end") {
  const std::string text = printed(4, 1, ProgressStyle::bar);
  CHECK(count(text, '\n') == 1);
  CHECK(text.back() == '\n');
  CHECK(count(text, '\r') == 4);
  CHECK(text.find("\rrestore [") != std::string::npos);
  CHECK(text.find("] 2/4  |y - A x0| 1  1 s/step  0:02 left\x1b[K") != std::string::npos);
  // 80 columns where the terminal does not say: no line may reach the last one and wrap.
  std::size_t start = 0, longest = 0;
  while ((start = text.find('\r', start)) != std::string::npos) {
    const std::size_t end = text.find('\x1b', start);
    longest = std::max(longest, end - start - 1);
    start = end;
  }
  CHECK(longest <= 79);
  CHECK(longest > 70);
  CHECK(count(printed(1000, 0.001, ProgressStyle::bar), '\r') <= 12);  // about ten a second
}

TEST_CASE("progress that stops half way leaves the line ended") {
  CHECK(printed(10, 1, ProgressStyle::bar, 3).back() == '\n');
}

TEST_CASE("progress: quiet is quiet, and the rate is known all the same") {
  CHECK(printed(10, 1, ProgressStyle::quiet).empty());
  double now = 0;
  Progress progress("sample", 10, ProgressStyle::quiet, stderr, [&] { return now; });
  CHECK(progress.seconds_per_step() == 0);
  now = 5;
  progress.update(1);
  CHECK(progress.seconds_per_step() == doctest::Approx(5));
  now = 6;
  progress.update(3);
  CHECK(progress.seconds_per_step() == doctest::Approx(0.5));
  CHECK(error_of([] { Progress("sample", 0); }) == "progress over 0 steps");
}

TEST_CASE("progress without a measurement shows no distance") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  double now = 0;
  Progress progress("sample", 2, ProgressStyle::lines, file, [&] { return now += 3; });
  progress.update(1);
  char text[100] = "";
  std::rewind(file);
  CHECK(std::fgets(text, sizeof text, file));
  CHECK(std::string(text) == "sample 1/2  3 s/step  0:03 left\n");
  std::fclose(file);
}

}  // namespace tweedie::test
