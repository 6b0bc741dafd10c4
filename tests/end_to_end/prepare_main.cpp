// `prepare` for the scripts beside this file.
#include <cstdio>
#include <exception>

#include "tests/end_to_end/prepare.hpp"

int main(int argc, char** argv) {
  try {
    tweedie::test::prepare({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "prepare: %s\n", error.what());
    return 1;
  }
  return 0;
}
