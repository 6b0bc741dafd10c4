// The folder of a run: what is never written over, what goes, what stays.
#include "tools/restore/folder.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/restore/command_line.hpp"
#include "tests/tools/files_for_tests.hpp"
#include "tools/image.hpp"
#include "weights/read_files.hpp"
#include "weights/staged_file.hpp"

namespace tweedie::test {
namespace {

using Names = std::vector<std::string>;

Options options_in(const TemporaryFolder& folder, const std::string& input, int samples = 1) {
  Options o =
      options_of({"--task", "denoising", "--input", folder / input, "--samples", std::to_string(samples)});
  o.output = folder.path();
  return o;
}

/// A process id that belongs to nobody: that of a child which has ended and was waited for.
int gone_process() {
  const ::pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return child;
}

}  // namespace

TEST_CASE("result folder: a file that is read is not written over, but the truth stays") {
  const TemporaryFolder folder;
  const ReadFiles reads;
  for (const char* name : {"restored.png", "sample_2.png", "other.png"}) write_bytes(folder / name, name);
  write_png(folder / "original.png", Image{1, 2, 2, {-1, 0, 0, 1}});
  const auto refusal = [&](const std::string& input, int samples = 1) {
    note_read(folder / input);
    const std::string reason = [&] {
      ResultFolder results(options_in(folder, input, samples));
      try {
        results.require_inputs_survive();
      } catch (const Error& error) {
        return std::string(error.what());
      }
      return std::string();
    }();
    note_own(folder / input);
    return reason;
  };
  CHECK(refusal("restored.png").find("restored.png: this run reads it") != std::string::npos);
  CHECK(refusal("sample_2.png") == "");  // one sample: that name is not used
  CHECK(refusal("sample_2.png", 2) != "");
  CHECK(refusal("original.png") == "");
  ResultFolder stays(options_in(folder, "original.png"));
  CHECK_FALSE(stays.place("original.png"));
  CHECK(stays.place("restored.png") == folder / "restored.png");
  CHECK(stays.pictures() == Names{"original.png", "restored.png"});
  CHECK_THROWS_AS(stays.place("unplanned.png"), Error);
  ResultFolder other(options_in(folder, "other.png"));
  CHECK(other.place("original.png") == folder / "original.png");
}

TEST_CASE("result folder: a truth that this run would write with less in it does not stay") {
  const TemporaryFolder folder;
  const ReadFiles reads;
  constexpr int rgb_and_alpha = 6;
  const std::vector<std::uint8_t> row(16, 1);  // two pixels
  write_bytes(folder / "original.png", png_file({2, 2, 16, rgb_and_alpha, {row, row}, {}, {}}));
  ResultFolder results(options_in(folder, "original.png"));
  CHECK(error_of([&] { results.require_inputs_survive(); }).find("original.png") != std::string::npos);
}

TEST_CASE("result folder: pictures of an earlier run go, and nothing else") {
  const TemporaryFolder folder;
  for (const char* name : {"restored.png", "sample_1.png", "sample_2.png", "mine.png", "notes.txt"})
    write_bytes(folder / name, name);
  write_bytes(folder / "report.json",
              R"({"program": "tweedie-restore", "pictures": ["restored.png", "sample_1.png", "sample_2.png",
                  "notes.txt", "../mine.png", 5]})");
  write_bytes(folder / "a.png", "input");
  const ReadFiles reads;
  note_read(folder / "sample_2.png");
  ResultFolder results(options_in(folder, "sample_2.png"));
  results.place("restored.png");
  CHECK(results.remove_earlier() == Names{"sample_2.png"});  // it is read
  // "../mine.png" is taken for the file of that name in this folder, never for one outside.
  CHECK(folder.entries() == Names{"a.png", "notes.txt", "report.json", "restored.png", "sample_2.png"});
  write_bytes(folder / "report.json", R"({"program": "another", "pictures": ["a.png"]})");
  CHECK(ResultFolder(options_in(folder, "sample_2.png")).remove_earlier().empty());
  CHECK(std::filesystem::exists(folder / "a.png"));
}

TEST_CASE("result folder: a folder without results is gone again") {
  const TemporaryFolder folder;
  Options o = options_in(folder, "a.png");
  o.output = folder / "deep/out";
  {
    ResultFolder results(o);
    CHECK(folder.entries().empty());
    results.make();
    CHECK(std::filesystem::is_directory(o.output));
  }
  CHECK(folder.entries().empty());
}

TEST_CASE("result folder: halves of files that a killed run left go, others stay") {
  const TemporaryFolder folder;
  const std::string gone = message(".", gone_process(), ".0.tmp"), alive = message(".", ::getpid(), ".0.tmp");
  const Names theirs = {"restored.png" + alive, "mine.png" + gone, "restored.png.tmp", gone};
  for (const std::string& name : theirs) write_bytes(folder / name, "half");
  write_bytes(folder / ("restored.png" + gone), "half");
  write_bytes(folder / ("report.json" + gone), "half");
  ResultFolder(options_in(folder, "a.png")).make();
  Names expected = theirs;
  std::sort(expected.begin(), expected.end());
  CHECK(folder.entries() == expected);
  remove_abandoned(folder / "not there", [](const std::string&) { return true; });
}

}  // namespace tweedie::test
