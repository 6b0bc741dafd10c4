// Rows of settings and the values that go by them.
#include "engine/settings.hpp"

#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

constexpr Setting rows[] = {
    Setting::number("span", 180, 0, 180, "degrees"),
    Setting::positive("rho", 0.01, "penalty"),
    Setting::number("first", 0, -Setting::unbounded, Setting::unbounded, "degrees").spelled("--first-angle"),
    Setting::number("zeta", Setting::none, 0, Setting::unbounded, "step size"),
    Setting::whole("kernel_size", 61, 1, 4095, "pixels"),
    Setting::seed("seed", "of the kernel").spelled(""),
    Setting::text("kernel", "bicubic", "bicubic, average", "which").spelled("--reduction"),
    Setting::text("path", nullptr, "", "any text"),
    Setting::flag("complex", "two channels"),
};
static_assert(rows[2].otherwise == 0 && rows[1].above);

Settings fresh() { return Settings("blur", rows); }

}  // namespace

TEST_CASE("settings have their rows' defaults until something is stated") {
  Settings s = fresh();
  CHECK(s.number("span") == 180);
  CHECK(s.number("rho") == 0.01);
  CHECK(s.integer("kernel_size") == 61);
  CHECK(s.seed("seed") == 0);
  CHECK(s.text("kernel") == "bicubic");
  CHECK(!s.flag("complex"));
  for (const Setting& row : rows) CHECK(!s.stated(row.name));
  CHECK(!s.value("zeta").has_value());
  CHECK_THROWS_WITH_AS(s.number("zeta"), "blur: the setting 'zeta' is missing", Error);
  CHECK_THROWS_WITH_AS(s.text("path"), "blur: the setting 'path' is missing", Error);
  s.set("span", 90.5);
  s.set("kernel_size", std::int64_t(9));
  s.set("seed", std::uint64_t(1) << 63);
  s.set("kernel", "average");
  s.set("complex", true);
  CHECK(s.number("span") == 90.5);
  CHECK(s.integer("kernel_size") == 9);
  CHECK(s.seed("seed") == std::uint64_t(1) << 63);
  CHECK(s.text("kernel") == "average");
  CHECK(s.flag("complex"));
  CHECK(s.stated("span"));
  CHECK(!s.stated("rho"));
  CHECK(!s.stated("nobody knows"));
  s.state_defaults();  // but what has none, and what is in files only
  CHECK(s.stated("rho"));
  CHECK(!s.stated("zeta"));
  CHECK(s.number("span") == 90.5);
  CHECK(s.seed("seed") == std::uint64_t(1) << 63);
  Settings other = fresh();
  other.state_defaults();
  CHECK(!other.stated("seed"));
}

TEST_CASE("a value of another kind or out of its range is refused in one line") {
  Settings s = fresh();
  const auto says = [&](const char* name, const SettingValue& value, const char* text) {
    CHECK_THROWS_WITH_AS(s.set(name, value), text, Error);
    CHECK(!s.stated(name));
  };
  says("span", 180.5, "blur: 'span' is 180.5, expected a number from 0 to 180");
  says("span", -0.1, "blur: 'span' is -0.1, expected a number from 0 to 180");
  says("span", "wide", "blur: 'span' is 'wide', expected a number from 0 to 180");
  says("span", true, "blur: 'span' is true, expected a number from 0 to 180");
  says("rho", 0.0, "blur: 'rho' is 0, expected a number above 0");
  says("first", std::numeric_limits<double>::quiet_NaN(), "blur: 'first' is nan, expected a finite number");
  says("zeta", Setting::unbounded, "blur: 'zeta' is inf, expected a number from 0 on");
  says("kernel_size", std::int64_t(0), "blur: 'kernel_size' is 0, expected a whole number from 1 to 4095");
  says("kernel_size", 9.0, "blur: 'kernel_size' is 9, expected a whole number from 1 to 4095");
  // 2^32 + 9 is no 9.
  says("kernel_size", std::int64_t(4294967305),
       "blur: 'kernel_size' is 4294967305, expected a whole number from 1 to 4095");
  says("kernel_size", std::uint64_t(18446744073709551615u),
       "blur: 'kernel_size' is 18446744073709551615, expected a whole number from 1 to 4095");
  says("seed", std::int64_t(-1), "blur: 'seed' is -1, expected a whole number from 0 on, of 64 bits");
  says("kernel", "bicubic, average",
       "blur: 'kernel' is 'bicubic, average', expected one of bicubic, average");
  says("kernel", "", "blur: 'kernel' is '', expected one of bicubic, average");
  says("kernel", std::int64_t(3), "blur: 'kernel' is 3, expected one of bicubic, average");
  says("complex", std::int64_t(1), "blur: 'complex' is 1, expected true or false");
  says("sigma", 1.0, "blur: the setting 'sigma' is not known here");
  CHECK_THROWS_WITH_AS(s.number("kernel_size"), doctest::Contains("another kind"), Error);
  CHECK_THROWS_WITH_AS(s.flag("colour"), "blur: the setting 'colour' is not known here", Error);
}

TEST_CASE("command lines spell settings their own way, and their texts must be values as a whole") {
  CHECK(option_of(rows[4]) == "--kernel-size");
  CHECK(option_of(rows[2]) == "--first-angle");
  CHECK(option_of(rows[5]).empty());
  Settings s = fresh();
  s.parse("kernel_size", "9", "--kernel-size");
  s.parse("first", "-2.5e1", "--first-angle");
  s.parse("seed", "18446744073709551615", "--seed");
  s.parse("path", "17", "--path");
  s.parse("complex", "true", "--complex");
  CHECK(s.integer("kernel_size") == 9);
  CHECK(s.number("first") == -25);
  CHECK(s.seed("seed") == 18446744073709551615u);
  CHECK(s.text("path") == "17");
  CHECK(s.flag("complex"));
  const auto says = [&](const char* name, const char* text, const char* expected) {
    CHECK_THROWS_WITH_AS(s.parse(name, text, "--x"), doctest::Contains(expected), Error);
  };
  says("kernel_size", "9.0", "--x is '9.0', expected a whole number from 1 to 4095");
  says("kernel_size", "9 ", "--x is '9 ', expected");
  says("kernel_size", "", "--x is '', expected");
  says("kernel_size", "4096", "--x is 4096, expected");
  says("first", "nan", "expected a finite number");
  says("seed", "-1", "--x is '-1', expected a whole number from 0 on");
  says("kernel", "lanczos", "--x is 'lanczos', expected one of bicubic, average");
  says("complex", "yes", "--x is 'yes', expected true or false");
  CHECK(default_of(rows[0]) == "180");
  CHECK(default_of(rows[3]).empty());
  CHECK(default_of(rows[6]) == "bicubic");
}

TEST_CASE("several tables count as one") {
  constexpr Setting more[] = {Setting::whole("steps", 0, 0, 1000000, "steps")};
  Settings s("dps", {std::span<const Setting>(rows), more});
  s.set("steps", std::int64_t(5));
  CHECK(s.integer("steps") == 5);
  CHECK(s.number("span") == 180);
  CHECK(expected_of(more[0]) == "a whole number from 0 to 1000000");
}
