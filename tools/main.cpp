// The main of the programs in tools/programs.hpp; which one is said by the build.
#include "tools/programs.hpp"

int main(int argc, char** argv) { return tweedie::TWEEDIE_PROGRAM(argc, argv); }
