// Numbers on command lines, as CLI11 hands them over.
#include "tools/numbers.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace tweedie;

namespace {

// What a command line with `--n WORD` answers: "" when it is taken.
template <class Number>
std::string answer(const CLI::Validator& validator, const std::string& word, Number& value) {
  CLI::App app;
  app.add_option("--n", value, "A number")->check(validator);
  try {
    app.parse(std::vector<std::string>{"--n=" + word});
    return "";
  } catch (const CLI::ParseError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("whole numbers are taken, and nothing that would only become one") {
  const CLI::Validator nine = whole_number(1, 9);
  int value = 0;
  for (const char* word : {"1", "9", "+4"}) {
    CAPTURE(word);
    CHECK(answer(nine, word, value) == "");
    CHECK(value == std::stoi(word));
  }
  for (const char* word : {"ten", "9.0", "1e0", "0", "10", "-1", "01", "0x4", "1_0", " 4", "4 ", "+-4", "inf",
                           "99999999999999999999"}) {
    CAPTURE(word);
    value = -7;
    CHECK(answer(nine, word, value) ==
          "--n: expected a whole number from 1 to 9, found '" + std::string(word) + "'");
    CHECK(value == -7);
  }
  CHECK(answer(whole_number(0), "2147483648", value) ==
        "--n: expected a whole number of at least 0, found '2147483648'");
  CHECK(answer(whole_number(0), "2147483647", value) == "");
  CHECK(value == 2147483647);
  CHECK(answer(whole_number(-3, 3), "-3", value) == "");
  CHECK(answer(whole_number(0), "0", value) == "");
}

TEST_CASE("numbers are finite and within their range, its ends included") {
  double value = 0;
  for (const char* word : {"0", "1", "0.5", "1e-3", "+.25", "00.5"}) {
    CAPTURE(word);
    CHECK(answer(number(0, 1), word, value) == "");
    CHECK(value == std::stod(word));
  }
  for (const char* word : {"1.0001", "-1e-9", "nan", "inf", "half", "1,5", "0.5x", "1e999"}) {
    CAPTURE(word);
    CHECK(answer(number(0, 1), word, value) ==
          "--n: expected a number from 0 to 1, found '" + std::string(word) + "'");
  }
  CHECK(answer(positive_number(), "0", value) == "--n: expected a number above 0, found '0'");
  CHECK(answer(positive_number(), "1e-300", value) == "");
}

TEST_CASE("what was typed is shown short and without control characters; several numbers are all looked at") {
  std::vector<int> labels;
  CHECK(answer(whole_number(0), "\x1b[2J", labels) ==
        "--n: expected a whole number of at least 0, found '?[2J'");
  const std::string shown = answer(whole_number(0), std::string(400, '9'), labels);
  CHECK(shown.size() < 120);
  CLI::App app;
  app.add_option("--n", labels)->check(whole_number(0));
  const std::vector<std::string> reversed = {"x", "3", "--n"};
  CHECK_THROWS_AS(app.parse(std::vector<std::string>(reversed)), CLI::ValidationError);
}
