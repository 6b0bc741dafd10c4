// Settings from JSON objects, and back.
#include "weights/settings_json.hpp"

#include "tests/weights/crafted.hpp"

using namespace tweedie;
using namespace tweedie::test;
using nlohmann::json;

namespace {

constexpr Setting rows[] = {
    Setting::whole("scale_factor", 4, 1, 64, "reduction").stated_in_files(),
    Setting::number("intensity", 3, 0, 100, "pixels"),
    Setting::text("kernel", "bicubic", "bicubic, average", "which"),
    Setting::seed("seed", "of the draw"),
    Setting::flag("complex", "two channels"),
};

constexpr std::string_view besides[] = {"name"};
Settings read(const json& table) { return settings_from_json(table, "operator blur", rows, besides); }

}  // namespace

TEST_CASE("an object's members become settings, and go back unchanged") {
  const json table{{"scale_factor", 2},
                   {"intensity", 3},
                   {"kernel", "average"},
                   {"seed", 9223372036854775808u},
                   {"complex", true}};
  json named = table;
  named["name"] = "blur";
  const Settings s = read(named);
  CHECK(s.integer("scale_factor") == 2);
  CHECK(s.number("intensity") == 3);
  CHECK(s.text("kernel") == "average");
  CHECK(s.seed("seed") == 9223372036854775808u);
  CHECK(s.flag("complex"));
  CHECK(to_json(s) == table);
}

TEST_CASE("null is not stated; defaults are written on request") {
  const Settings s = read({{"scale_factor", 4}, {"intensity", nullptr}, {"seed", nullptr}});
  CHECK(!s.stated("intensity"));
  CHECK(s.number("intensity") == 3);
  CHECK(to_json(s) == json{{"scale_factor", 4}});
  CHECK(
      to_json(s, true) ==
      json{{"scale_factor", 4}, {"intensity", 3.0}, {"kernel", "bicubic"}, {"seed", 0}, {"complex", false}});
}

TEST_CASE("members that do not fit are refused by name") {
  const auto says = [](const json& table, const char* part) {
    check_says(error_of([&] { read(table); }), part);
  };
  says("blur", "operator blur: expected a table of settings, found \"blur\"");
  says(json::object(), "operator blur: the setting 'scale_factor' is missing");
  says({{"scale_factor", nullptr}}, "operator blur: the setting 'scale_factor' is missing");
  says({{"scale_factor", 2}, {"factor", 2}}, "operator blur: the setting 'factor' is not known here");
  says({{"scale_factor", 2}, {"factor", nullptr}}, "'factor' is not known here");
  says({{"scale_factor", 2.5}}, "'scale_factor' is 2.5, expected a whole number from 1 to 64");
  says({{"scale_factor", 4294967300}}, "4294967300, expected a whole number");
  says({{"scale_factor", {4}}}, "operator blur: 'scale_factor' is [4], expected a whole number from 1 to 64");
  says({{"scale_factor", 2}, {"kernel", {{"a", 1}}}}, "'kernel' is {\"a\":1}, expected one of bicubic");
  says({{"scale_factor", 2}, {"seed", -1}}, "'seed' is -1, expected a whole number from 0 on");
}

TEST_CASE("members of other kinds by hand") {
  const json table{{"name", "blur"}, {"list", {1, 2}}, {"table", {{"a", 1}}}, {"number", 3}};
  CHECK(text_member(table, "name", "x") == "blur");
  CHECK(list_member(table, "list", "x").size() == 2);
  CHECK(table_member(table, "table", "x").contains("a"));
  check_says(error_of([&] { text_member(table, "number", "x.yaml"); }),
             "x.yaml: 'number' is 3, expected a text");
  check_says(error_of([&] { text_member(table, "nothing", "x.yaml"); }),
             "x.yaml: the setting 'nothing' is missing");
  check_says(error_of([&] { list_member(table, "table", "x.yaml"); }), "expected a list");
  check_says(error_of([&] { table_member(3, "table", "x.yaml"); }), "expected a table of settings, found 3");
}
