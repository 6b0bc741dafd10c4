// Replays the fuzzers' corpus, so that what they once found stays fixed in builds without them.
#include <filesystem>

#include "tests/fuzz/read_all.hpp"
#include "tests/weights/crafted.hpp"

using namespace tweedie;

TEST_CASE("every input of the fuzzers' corpus is read or refused") {
  for (const char* kind : {"pt", "safetensors"}) {
    int inputs = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(TWEEDIE_FUZZ_CORPUS "/") + kind)) {
      CAPTURE(entry.path().string());
      const std::string bytes = test::read_file(entry.path().string());
      CHECK_NOTHROW(fuzz::read_all(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
      ++inputs;
    }
    CAPTURE(kind);
    CHECK(inputs >= 3);
  }
}

TEST_CASE("the corpus' sound inputs are read, its evil one is refused") {
  const auto error_of_input = [](const std::string& name) {
    return test::error_of([&] {
      const Checkpoint checkpoint(open_file(TWEEDIE_FUZZ_CORPUS "/" + name));
      for (const TensorEntry& tensor : checkpoint.tensors())
        if (tensor.element != Element::other) checkpoint.read(tensor);
    });
  };
  for (const char* name :
       {"pt/zip", "pt/legacy", "pt/strides", "pt/types", "pt/nested", "pt/nested_zip", "pt/entries",
        "pt/beside", "safetensors/two", "safetensors/types", "safetensors/empty"}) {
    CAPTURE(name);
    CHECK(error_of_input(name) == "");
  }
  test::check_says(error_of_input("pt/evil"), "os.system");
  test::check_says(error_of_input("pt/protocol4"), "truncated: it ends inside a pickle");
}
