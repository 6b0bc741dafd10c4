// Files and reports: whole or not at all.
#include "tools/files.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <limits>
#include <regex>

#include "tests/tools/files_for_tests.hpp"
#include "tools/report.hpp"
#include "weights/read_files.hpp"

namespace tweedie::test {
namespace {

using Names = std::vector<std::string>;

/// Lays down the rights of root while it lives, so that a folder can be unwritable; says whether it can be
/// done.
class OrdinaryUser {
 public:
  OrdinaryUser() : was_root_(::geteuid() == 0) {
    if (was_root_) ordinary_ = ::seteuid(65534) == 0;
  }
  ~OrdinaryUser() {
    if (was_root_) CHECK(::seteuid(0) == 0);
  }
  OrdinaryUser(const OrdinaryUser&) = delete;
  OrdinaryUser& operator=(const OrdinaryUser&) = delete;
  bool ordinary() const { return ordinary_; }

 private:
  bool was_root_, ordinary_ = true;
};

}  // namespace

TEST_CASE("atomic_write replaces whole files and leaves nothing else") {
  const TemporaryFolder folder;
  const std::string path = folder / "out.bin";
  const std::string bytes("a\0b\n", 4), longer(300000, 'x');
  atomic_write(path, longer);
  CHECK(read_bytes(path) == longer);
  atomic_write(path, bytes);
  CHECK(read_bytes(path) == bytes);
  atomic_write(folder / "empty", "");
  CHECK(folder.entries() == Names{"empty", "out.bin"});
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  CHECK((status.st_mode & 0777) == (0666 & ~mask));
}

TEST_CASE("atomic_write follows a link and refuses what is not a file") {
  const TemporaryFolder folder;
  atomic_write(folder / "real", "old");
  std::filesystem::create_symlink("real", folder / "link");
  atomic_write(folder / "link", "new");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(read_bytes(folder / "real") == "new");

  CHECK(error_of([&] { atomic_write(folder.path(), "x"); }) ==
        folder.path() + ": cannot write: is a directory");
  // A pipe stands for devices: a test that fails must not have replaced one.
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(error_of([&] { atomic_write(folder / "pipe", "x"); }) ==
        folder / "pipe: cannot write: is not a regular file");
  CHECK(error_of([&] { atomic_write(folder / "none/x", "x"); }) ==
        folder / "none/x: cannot write: No such file or directory");
  CHECK(folder.entries() == Names{"link", "pipe", "real"});
}

TEST_CASE("a staged file without a commit leaves the target as it was") {
  const TemporaryFolder folder;
  const std::string path = folder / "weights.h5";
  write_bytes(path, "old");
  {
    const StagedFile staged(path);
    write_bytes(staged.path(), "half");
    CHECK(folder.entries().size() == 2);
  }
  CHECK(folder.entries() == Names{"weights.h5"});
  CHECK(read_bytes(path) == "old");
  {
    StagedFile staged(path);
    write_bytes(staged.path(), "whole");
    staged.commit();
  }
  CHECK(folder.entries() == Names{"weights.h5"});
  CHECK(read_bytes(path) == "whole");
}

TEST_CASE("read_file is bounded") {
  const TemporaryFolder folder;
  write_bytes(folder / "ten", "0123456789");
  CHECK(read_file(folder / "ten", 10) == "0123456789");
  CHECK(error_of([&] { read_file(folder / "ten", 9); }) ==
        folder / "ten: larger than 9 bytes, the most that is read");
  CHECK(error_of([&] { read_file("/dev/zero", 100000); }) ==
        "/dev/zero: larger than 100000 bytes, the most that is read");
}

TEST_CASE("output directories: created, or refused with the reason") {
  const TemporaryFolder folder;
  ensure_output_directory(folder / "a/b/c");
  CHECK(std::filesystem::is_directory(folder / "a/b/c"));
  ensure_output_directory(folder / "a/b/c");
  ensure_output_directory(folder / "a/b/d/");
  CHECK(std::filesystem::is_directory(folder / "a/b/d"));

  write_bytes(folder / "file", "");
  CHECK(error_of([&] { ensure_output_directory(folder / "file"); }) ==
        folder / "file: is a file, expected a directory for the output");
  CHECK(error_of([&] { ensure_output_directory(folder / "file/sub"); }) ==
        folder / "file/sub: cannot create the output directory: Not a directory");
  CHECK(error_of([&] { ensure_output_directory(""); }) == "the output directory has an empty name");
}

TEST_CASE("an unwritable directory is refused, and what lies in it stays") {
  const TemporaryFolder folder;
  ensure_output_directory(folder / "locked");
  write_report(folder / "locked/report.json", Json{{"run", 1}});
  const std::string before = read_bytes(folder / "locked/report.json");
  REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
  REQUIRE(::chmod((folder / "locked").c_str(), 0555) == 0);
  {
    const OrdinaryUser user;
    if (user.ordinary()) {
      CHECK(error_of([&] { ensure_output_directory(folder / "locked"); }) ==
            folder / "locked: cannot write to the output directory: Permission denied");
      CHECK(error_of([&] { ensure_output_directory(folder / "locked/sub"); }) ==
            folder / "locked/sub: cannot create the output directory: Permission denied");
      CHECK(error_of([&] {
              write_report(folder / "locked/report.json", Json{{"run", 2}});
            }) == folder / "locked/report.json: cannot write: Permission denied");
    } else {
      MESSAGE("cannot lay down the rights of root: unwritable directories not tested");
    }
  }
  CHECK(read_bytes(folder / "locked/report.json") == before);
  REQUIRE(::chmod((folder / "locked").c_str(), 0755) == 0);
}

TEST_CASE("a write that fails half way leaves the old file and nothing else") {
  const TemporaryFolder folder;
  const std::string path = folder / "out";
  atomic_write(path, "old");
  // A limit on the size of files stands in for a full disk; without the handler its signal ends the process.
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit small{4096, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string text = error_of([&] { atomic_write(path, std::string(10000, 'x')); });
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK(text == path + ": cannot write: File too large");
  CHECK(folder.entries() == Names{"out"});
  CHECK(read_bytes(path) == "old");
}

TEST_CASE("reports: the common fields, in order, and what JSON lacks") {
  const TemporaryFolder folder;
  const std::string path = folder / "report.json";
  Json report = start_report({"tweedie-restore", {"tweedie-restore", "-o", "my dir", "it's"}, "CPU", 7});
  report["psnr"] = std::numeric_limits<double>::infinity();
  report["file"] = "caf\xe9";  // Latin-1, as a file name may be
  write_report(path, report);

  const Json back = Json::parse(read_bytes(path));
  Names keys;
  for (const auto& item : back.items()) keys.push_back(item.key());
  CHECK(keys == Names{"program", "version", "command", "date", "device", "seed", "psnr", "file"});
  CHECK(back["program"] == "tweedie-restore");
  CHECK(std::regex_match(back["version"].get<std::string>(), std::regex(R"(\d+\.\d+\.\d+)")));
  CHECK(back["command"] == R"(tweedie-restore -o 'my dir' 'it'\''s')");
  CHECK(std::regex_match(back["date"].get<std::string>(), std::regex(R"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ)")));
  CHECK(back["seed"] == 7);
  CHECK(back["psnr"].is_null());
  CHECK(back["file"] == "caf\xef\xbf\xbd");
  CHECK(folder.entries() == Names{"report.json"});
}

TEST_CASE("peak memory grows with what was touched") {
  const auto before = peak_memory_bytes();
  REQUIRE(before);
  const std::size_t size = *before + (std::size_t(64) << 20);
  const std::string large(size, 'x');
  const auto after = peak_memory_bytes();
  REQUIRE(after);
  CHECK(large.back() == 'x');
  CHECK(*after >= size);
}

TEST_CASE("files: what a run reads it does not write over, whatever name is used") {
  const TemporaryFolder folder;
  namespace fs = std::filesystem;
  write_bytes(folder / "a", "precious");
  fs::create_symlink("a", folder / "link");
  fs::create_hard_link(folder / "a", folder / "hard");
  const std::string roundabout = folder / "../" + fs::path(folder.path()).filename().string() + "/./a";
  const auto refused = [](const std::string& path) {
    try {
      atomic_write(path, "result");
    } catch (const Error& error) {
      return std::string(error.what()) == path +
                                              ": this run reads it, and a result would take its place; write "
                                              "to another folder or name";
    }
    return false;
  };
  read_file(folder / "a", 100);
  {
    const ReadFiles reads;
    CHECK_THROWS_AS(ReadFiles(), std::logic_error);
    CHECK_FALSE(is_read(folder / "a"));  // it was read before
    read_file(folder / "hard", 100);
    for (const std::string& path : {folder / "a", folder / "link", folder / "hard", roundabout}) {
      CHECK_MESSAGE(refused(path), path);
      CHECK_THROWS_AS(require_writable(path), Error);
      CHECK_THROWS_AS(OutputDirectory(folder.path(), {fs::path(path).filename().string()}), Error);
    }
    CHECK(read_bytes(folder / "a") == "precious");
    atomic_write(folder / "other", "result");
    require_writable(folder / "new");
    CHECK_FALSE(fs::exists(folder / "new"));
    note_own(folder / "link");
    atomic_write(folder / "a", "again");
    note_read(folder / "not there");
    CHECK_FALSE(is_read(folder / "not there"));
  }
  atomic_write(folder / "a", "and again");
}

TEST_CASE("files: results are kept out of folders that are read whole") {
  const TemporaryFolder folder;
  namespace fs = std::filesystem;
  fs::create_directories(folder / "photos/deep");
  fs::create_symlink("photos", folder / "link");
  for (const char* output :
       {"photos", "photos/", "photos/run", "photos/deep/a/b", "link/run", "photos/../photos"})
    CHECK_MESSAGE(error_of([&] {
                    require_outside(folder / output, folder / "photos");
                  }).find("results would be among them") != std::string::npos,
                  output);
  for (const char* output : {"photos2", "photos/../run", "", "new/photos"})
    require_outside(folder / output, folder / "photos");
  require_outside(folder / "photos/run", folder / "photos/deep");
}

}  // namespace tweedie::test
