// Samples on disk: as they were, of this run alone, and gone when it is complete.
#include "tools/restore/sample_store.hpp"

#include "tests/tools/files_for_tests.hpp"

namespace tweedie::test {
namespace {

using Names = std::vector<std::string>;

Run run_of(float value, double misfit) {
  Image image = uniform_image(3, 2, 5, value);
  image.data[7] = 0.1234567f;  // no level of a PNG
  Run run;
  run.restored = image;
  run.misfit = misfit;
  run.seconds_per_step = 0.25;
  return run;
}

Sample sample_of(float value) {
  Sample sample;
  sample.best = run_of(value, 1.0 / 3);
  sample.runs = {run_of(value, 1.0 / 3), run_of(-value, 0.7)};
  return sample;
}

bool same(const Run& a, const Run& b) {
  return a.restored == b.restored && a.misfit == b.misfit && a.seconds_per_step == b.seconds_per_step;
}

}  // namespace

TEST_CASE("sample store: a sample comes back bit by bit") {
  const TemporaryFolder folder;
  const Sample sample = sample_of(0.3f);
  SampleStore(folder.path(), "a run", true, false).write(4, sample);
  CHECK(folder.entries() == Names{"sample_5.part.h5", "sample_5.png"});
  const SampleStore store(folder.path(), "a run", true, true);
  CHECK(store.found(5) == 1);
  CHECK(store.found(4) == 0);
  CHECK_FALSE(store.read(3));
  const std::optional<Sample> back = store.read(4);
  REQUIRE(back);
  REQUIRE(back->runs.size() == 2);
  CHECK(same(back->best, sample.best));
  for (int k : {0, 1}) CHECK(same(back->runs[std::size_t(k)], sample.runs[std::size_t(k)]));
  store.finish();
  CHECK(folder.entries() == Names{"sample_5.png"});
}

TEST_CASE("sample store: without --resume, or of another run, nothing is taken over") {
  const TemporaryFolder folder;
  SampleStore(folder.path(), "a run", true, false).write(0, sample_of(0.3f));
  const std::string other = error_of([&] { SampleStore(folder.path(), "another", true, true); });
  CHECK(other.find("sample_1.part.h5: of another run") != std::string::npos);
  const SampleStore anew(folder.path(), "a run", true, false);
  CHECK(folder.entries() == Names{"sample_1.png"});
  CHECK_FALSE(anew.read(0));
  SampleStore(folder.path(), "a run", false, false).write(0, sample_of(0.3f));  // a single sample is not kept
  CHECK(folder.entries() == Names{"sample_1.png"});
}

TEST_CASE("sample store: a part that is damaged is an error, and what is none is left alone") {
  const TemporaryFolder folder;
  for (const char* name : {"sample_1.part.h5.bak", "sample_x.part.h5", "sample_.part.h5"})
    write_bytes(folder / name, "mine");
  write_bytes(folder / "sample_2.part.h5", "no HDF5");
  const std::string text = error_of([&] { SampleStore(folder.path(), "a run", true, true); });
  CHECK(text.find("sample_2.part.h5") != std::string::npos);
  SampleStore(folder.path(), "a run", true, false);
  CHECK(folder.entries() == Names{"sample_.part.h5", "sample_1.part.h5.bak", "sample_x.part.h5"});
}

}  // namespace tweedie::test
