// Arrays that were measured: what in them is refused, and what is noted.
#include "tools/restore/measured_array.hpp"

#include <numeric>

#include "tests/restore/command_line.hpp"
#include "tests/support/support.hpp"
#include "tests/tools/files_for_tests.hpp"
#include "tools/arrays.hpp"

namespace tweedie::test {
namespace {

/// The notes on such an array, measured by a task.
std::string notes_on(const Extents& shape, const std::vector<float>& values, std::vector<std::string> words) {
  const TemporaryFolder folder;
  Context context(Device::cpu, 1);
  write_npy(folder / "y.npy", shape, values);
  words.insert(words.end(), {"--measurement", folder / "y.npy"});
  std::vector<std::string> notes;
  read_measured_array(context, folder / "y.npy", *options_of(words).asked, notes);
  return std::accumulate(notes.begin(), notes.end(), std::string());
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("measured arrays: magnitudes of a picture brighter than white are noted") {
  // A white picture of 8 x 8 with 2 pixels around: by Parseval the squares' sum is 64, whatever they are.
  const auto notes = [](float each) {
    std::vector<float> values(144, each);
    values[70] *= 1.01f;  // the largest is not in the corner
    return notes_on({12, 12}, values, {"--task", "phase_retrieval", "--oversample", "2"});
  };
  CHECK(notes(std::sqrt(64.f / 144)) == "");
  CHECK(says(notes(8 * std::sqrt(64.f / 144)), "mean square is 64 times that of white"));
}

TEST_CASE("measured arrays: angles that look like radians and sinograms below zero are noted") {
  const TemporaryFolder folder;
  const auto notes = [&](float scale, float sign) {
    std::vector<float> angles(12), sinogram(12 * 16);
    for (std::size_t i = 0; i < angles.size(); ++i) angles[i] = scale * float(i);
    for (std::size_t i = 0; i < sinogram.size(); ++i)
      sinogram[i] = sign * (std::abs(int(i % 16) - 8) < 4 ? 1.f : 0.01f);
    write_npy(folder / "angles.npy", {12}, angles);
    return notes_on({12, 16}, sinogram, {"--task", "ct", "--angles", folder / "angles.npy"});
  };
  CHECK_FALSE(says(notes(15, 1), "radians"));
  CHECK(says(notes(0.26f, 1), "between 0 and 2.86: are they radians?"));
  CHECK_FALSE(says(notes(15, 1), "its mean is"));
  CHECK(says(notes(15, -1), "its mean is"));
}

}  // namespace tweedie::test
