// The main of every test binary: doctest's, plus --backend=cpu,cuda.
#define DOCTEST_CONFIG_IMPLEMENT
#include "tests/support/support.hpp"

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  tweedie::test::parse_options(argc, argv);
  return context.run();
}
