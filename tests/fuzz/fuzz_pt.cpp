// libFuzzer target: PyTorch checkpoints, in either container.
#include "tests/fuzz/read_all.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tweedie::fuzz::read_all(data, size);
  return 0;
}
