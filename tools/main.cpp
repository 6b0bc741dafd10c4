// The main of the programs in tools/programs.hpp; which one is said by the build.
#include "tools/programs.hpp"
#include "tools/threads.hpp"

int main(int argc, char** argv) {
  tweedie::wait_politely(argv);
  return tweedie::TWEEDIE_PROGRAM(argc, argv);
}
