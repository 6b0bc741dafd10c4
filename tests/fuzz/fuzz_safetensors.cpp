// libFuzzer target: safetensors files.
#include "tests/fuzz/read_all.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tweedie::fuzz::read_all(data, size);
  return 0;
}
