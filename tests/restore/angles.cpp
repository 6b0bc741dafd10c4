// Angles and sinograms of other programs, as command lines and files state them.
#include "tools/restore/angles.hpp"

#include <cmath>

#include "tests/restore/command_line.hpp"
#include "tests/support/support.hpp"
#include "tests/tools/files_for_tests.hpp"
#include "tools/restore/sinogram.hpp"

namespace tweedie::test {
namespace {

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// The refusal of a command line about a sinogram.
std::string refusal(std::vector<std::string> words) {
  words.insert(words.end(), {"--task", "ct", "--input", "a.png"});
  return error_of([&] { options_of(words); });
}

}  // namespace

TEST_CASE("angles: a number, a range, a file") {
  const TemporaryFolder folder;
  const std::string text = folder / "degrees.txt", npy = folder / "degrees.npy";
  write_bytes(text, "# degrees\n0, 1.5\n -7;90 # the last\n");
  write_npy(npy, {3}, {0, 60, 120});
  const auto asked = [](const std::string& angles) {
    return *options_of({"--task", "ct", "--input", "a.png", "--angles", angles}).asked;
  };
  CHECK(asked("7").op.settings.integer("angles") == 7);
  const Asked turn = asked("0:-360:459");
  CHECK(turn.op.settings.integer("angles") == 459);
  CHECK(turn.op.settings.number("first") == 0);
  CHECK(turn.op.settings.number("span") == -360);
  CHECK(turn.lists.empty());
  CHECK(asked(text).lists.at("directions") == std::vector<float>{0, 1.5f, -7, 90});
  CHECK(asked(text).op.settings.integer("angles") == 4);
  CHECK(asked(npy).lists.at("directions") == std::vector<float>{0, 60, 120});
}

TEST_CASE("angles: what is none is refused, with what was expected") {
  const TemporaryFolder folder;
  const std::string text = folder / "words.txt";
  CHECK(
      says(refusal({"--angles", "ten"}), "neither a number, nor START:STOP:N, nor a file of angles: ten: "));
  CHECK(says(refusal({"--angles", "2.5"}), "--angles is '2.5', expected a whole number"));
  CHECK(says(refusal({"--angles", "0:180"}), "expected START:STOP:N"));
  CHECK(says(refusal({"--angles", "0:180:x"}), "expected START:STOP:N"));
  CHECK(says(refusal({"--angles", "0:0:5"}), "from START to STOP"));
  CHECK(says(refusal({"--angles", "0:361:5"}), "up to 360 degrees"));
  CHECK(says(refusal({"--angles", "0:180:0"}), "N is a whole number"));
  CHECK(says(refusal({"--angles", "0:180:2.5"}), "N is a whole number"));
  CHECK(says(refusal({"--angles", "0:180:5", "--span", "90"}), "nothing else may"));
  CHECK(says(refusal({"--intensity", "5"}), "--intensity means nothing here: there is no measurement"));
  CHECK(says(refusal({"--transposed"}), "--transposed means nothing here"));
  write_bytes(text, "0 1 two");
  CHECK(says(refusal({"--angles", text}), "'two' is not a number"));
  write_bytes(text, "# nothing");
  CHECK(says(refusal({"--angles", text}), "0 angles"));
  write_bytes(text, "0 nan");
  CHECK(says(refusal({"--angles", text}), "'nan' is not a number"));
}

TEST_CASE("sinograms: transposed, of intensities, and what looks like it") {
  const Asked ct(find_task("ct"));
  std::vector<std::string> notes;
  // Three views by four detectors of sums 6; the outer detectors see nothing.
  const std::vector<float> views{0, 2, 4, 0, 0, 3, 3, 0, 0, 5, 1, 0};
  const auto read = [&](std::vector<float> values, Extents shape,
                        const std::vector<std::pair<std::string, SettingValue>>& reading) {
    Asked asked = ct;
    for (const auto& [name, value] : reading) asked.read_by.set(name, value);
    Array array{"s", {1, shape[0], shape[1]}, "<f4", std::move(values)};
    notes.clear();
    read_sinogram(array, asked.op, asked.read_by, notes);
    CHECK(array.shape == Extents{1, 3, 4});
    CHECK(asked.op.settings.integer("angles") == 3);
    CHECK(asked.op.settings.integer("detectors") == 4);
    return array.values;
  };
  CHECK(read(views, {3, 4}, {}) == views);
  CHECK(notes.empty());
  const std::vector<float> turned{0, 0, 0, 2, 3, 5, 4, 3, 1, 0, 0, 0};
  CHECK(read(turned, {4, 3}, {{"transposed", true}}) == views);
  CHECK(notes.empty());
  std::vector<float> counts;
  for (const float v : views) counts.push_back(1000 * std::exp(-v));
  check_close("integrals", read(counts, {3, 4}, {{"intensity", 1000.0}}),
              std::vector<double>(views.begin(), views.end()), 1e-6);
  CHECK(notes.empty());
  counts[5] = 0;  // where 5 is most, -log(0.0067) is the largest integral of the others
  CHECK(read(counts, {3, 4}, {{"intensity", 1000.0}})[5] == doctest::Approx(5));
  REQUIRE(notes.size() == 1);
  CHECK(says(notes[0], "1 of 12 intensities are 0 or less"));
  read(counts, {3, 4}, {});
  REQUIRE(!notes.empty());
  CHECK(says(notes[0], "--intensity I0"));
  Array array{"s", {1, 4, 3}, "<f4", turned};
  Asked asked = ct;
  notes.clear();
  read_sinogram(array, asked.op, asked.read_by, notes);
  REQUIRE(!notes.empty());
  CHECK(says(notes.back(), "say --transposed"));
  asked.op.settings = ct.op.settings;
  asked.op.settings.set("angles", std::int64_t{3});
  CHECK(says(error_of([&] { read_sinogram(array, asked.op, asked.read_by, notes); }),
             "a sinogram of 4 angles; stated are 3; if the file is (detectors, angles), say --transposed"));
}

}  // namespace tweedie::test
