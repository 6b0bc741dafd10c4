// Rows of operators: descriptions from JSON and back, what they say of the whole, masks that are drawn.
#include <numeric>

#include "operators/factory.hpp"
#include "operators/inpainting.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;
using nlohmann::json;

TEST_CASE("every row's defaults make a description that JSON keeps") {
  for (const OperatorKind* kind : operator_kinds()) {
    if (kind->of_many) continue;
    CAPTURE(std::string(kind->name));
    OperatorDescription described{kind, Settings(kind->name, kind->settings)};
    described.settings.state_defaults();
    described.state_seeds(9223372036854775809u);
    const json table = to_json(described);
    CHECK(table.at("name") == kind->name);
    CHECK(to_json(describe_operator(table)) == table);
    CHECK(find_operator_kind(kind->name) == kind);
    for (const Setting& row : kind->settings) {
      const bool in_file_only = option_of(row).empty(), seed = row.kind == Setting::Kind::seed;
      CHECK(described.settings.stated(row.name) == (seed || (!in_file_only && !default_of(row).empty())));
    }
  }
  CHECK(find_operator_kind("identity") == find_operator_kind("noise"));
  CHECK(find_operator_kind("") == nullptr);
}

TEST_CASE("a composed operator is what its parts are") {
  const json blur{{"name", "motion_blur"}, {"kernel_size", 9}},
      reduced{{"name", "super_resolution"}, {"scale_factor", 3}, {"in_shape", {1, 3, 4, 4}}},
      gray{{"name", "colourisation"}}, magnitudes{{"name", "phase_retrieval"}};
  const json inner{{"name", "composed"}, {"operators", {reduced, gray}}};
  OperatorDescription all =
      describe_operator({{"name", "composed"}, {"operators", {blur, inner, magnitudes}}});
  CHECK(all.leaves().size() == 4);
  CHECK(all.shows() == Shows::magnitudes);
  CHECK(all.measured_channels() == 1);
  CHECK(all.image_channels() == 3);
  CHECK(all.restarts() == 4);
  CHECK(all.factor() == 3);
  // Magnitudes of 7 x 9 are those of 5 x 7 pixels padded by one, made of 15 x 21 by the reduction.
  CHECK((all.image_shape({1, 1, 7, 9}) == Shape{1, 3, 15, 21}));
  all.state_seeds(17);
  CHECK(to_json(all)["operators"][0]["seed"] == 17);
  CHECK(!to_json(all)["operators"][1].contains("seed"));
  CHECK_THROWS_WITH_AS(describe_operator(reduced).image_shape({1, 1, 1 << 19, 1}),
                       doctest::Contains("expected sides below 1048576"), Error);
  const auto says = [](const json& table, const char* part) {
    CHECK_THROWS_WITH_AS(describe_operator(table), doctest::Contains(part), Error);
  };
  says({{"name", "composed"}, {"operators", "hello"}}, "'operators' is \"hello\", expected a list");
  says({{"name", "composed"}, {"operators", json::array()}}, "empty list");
  says({{"name", "composed"}, {"operators", {gray}}, {"order", 1}}, "'order' is not known");
  says({{"name", "composed"}, {"operators", {3}}}, "expected a table of settings, found 3");
  says({{"name", "noise"}, {"operators", {blur}}}, "'operators' is not known");
}

TEST_CASE("masks are drawn as their rows say") {
  const OperatorKind& kind = *find_operator_kind("inpainting");
  const auto lost = [](const std::vector<float>& mask) {
    return mask.size() - std::size_t(std::accumulate(mask.begin(), mask.end(), 0.0));
  };
  for (const DrawRow& row : kind.draws) {
    CAPTURE(std::string(row.name));
    const bool random = std::string(row.name) == "random", both = std::string(row.name) == "both";
    Settings s("draw", row.settings);
    if (s.knows("drop")) s.set("drop", 0.25);
    if (s.knows("box")) s.set("box", std::int64_t(10));
    const std::vector<float> mask = row.draw(s, 40, 48, 3);
    CHECK(mask.size() == 40 * 48);
    CHECK(mask == row.draw(s, 40, 48, 3));
    CHECK(mask != row.draw(s, 40, 48, 4));
    if (random) CHECK(lost(mask) == 480);
    if (std::string(row.name) == "box") CHECK(lost(mask) == 100);
    if (std::string(row.name) == "extreme") CHECK(lost(mask) == 40 * 48 - 100);
    if (both) CHECK((lost(mask) > 480 && lost(mask) < 580));
    // Ranges: from the first number to the second.
    if (s.knows("drop_to") && !both) {
      s.set("drop_to", 0.75);
      CHECK((lost(row.draw(s, 40, 48, 3)) >= 480 && lost(row.draw(s, 40, 48, 3)) <= 1440));
      CHECK(lost(row.draw(s, 40, 48, 3)) != lost(row.draw(s, 40, 48, 4)));
    }
    // A box that is not stated is half the image, with the margin that is left.
    if (std::string(row.name) == "box")
      CHECK(lost(row.draw(Settings("draw", row.settings), 32, 40, 1)) == 256);
  }
}
