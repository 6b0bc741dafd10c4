// Bad input, program by program: exit code 2, one line on stderr that names the culprit, nothing left behind.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "tests/refused/cases.hpp"
#include "tests/refused/inputs.hpp"
#include "tests/support/captured.hpp"
#include "tests/support/support.hpp"
#include "tests/tools/files_for_tests.hpp"

namespace tweedie::test {
namespace {

namespace fs = std::filesystem;

/// A folder of its own as the current one, with the inputs in it.
class Workplace {
 public:
  Workplace() : before_(fs::current_path()) {
    fs::current_path(folder_.path());
    make_inputs();
  }
  ~Workplace() { fs::current_path(before_); }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

 private:
  fs::path before_;
  TemporaryFolder folder_;
};

/// Names of all there is; of files also size, inode and time of the last change.
std::vector<std::string> state() {
  std::vector<std::string> lines;
  for (const auto& entry : fs::recursive_directory_iterator(".")) {
    struct ::stat s {};
    ::stat(entry.path().c_str(), &s);
    const bool file = entry.is_regular_file();
    lines.push_back(message(entry.path().string(), file ? message(" ", s.st_size, " ", s.st_ino, " ",
                                                                  s.st_mtim.tv_sec, ".", s.st_mtim.tv_nsec)
                                                        : std::string()));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::string replaced(std::string word, const std::string& name, const std::string& by) {
  if (const auto at = word.find(name); at != std::string::npos) word.replace(at, name.size(), by);
  return word;
}

std::vector<std::string> words_of(const Case& c, Device device) {
  std::istringstream text(message(c.form.always, " ", c.words));
  std::vector<std::string> words;
  for (std::string word; text >> word;) {
    word = replaced(word, "DEVICE", device == Device::cuda ? "cuda" : "cpu");
    word = replaced(word, "DATA", TWEEDIE_TEST_DATA);
    word = replaced(word, "FILES", task_files);
    word = replaced(word, "EMPTY", "");
    words.push_back(replaced(word, "LONG", std::string(300, 'n') + ".h5"));
  }
  return words;
}

void check_refused(const Case& c, Device device, const std::vector<std::string>& before) {
  const std::string program = c.form.program;
  const std::string command = message(program, " ", c.form.always, " ", c.words);
  CAPTURE(command);
  const Printed printed = captured([&] { return run_program(program, words_of(c, device)); });
  const std::string& said = printed.error;
  CHECK_MESSAGE(printed.code == 2, said);
  CHECK_MESSAGE((std::count(said.begin(), said.end(), '\n') == 1 && said.ends_with('\n')), said);
  const std::string head = program + ": error: ";
  CHECK_MESSAGE(said.starts_with(head), said);
  CHECK_MESSAGE(said.find(c.text, head.size()) != std::string::npos, "expected '", std::string(c.text),
                "' in: ", said);
  CHECK(printed.out == "");
  const std::vector<std::string> after = state();
  CHECK_MESSAGE(after == before, "changed its folder");
  if (after != before) fs::remove_all("out");  // so that the next case is not blamed for it
}

}  // namespace

TEST_CASE("refused: every bad input with exit code 2 and one line, and nothing changes") {
  const Workplace workplace;
  const std::vector<std::string> before = state();
  for (const Device device : backends())
    for (const Case& c : refused_cases()) check_refused(c, device, before);
  if (cuda_device_count() == 0)
    for (const Case& c : cases_without_cuda()) check_refused(c, Device::cpu, before);
}

}  // namespace tweedie::test
