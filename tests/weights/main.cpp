// Weights need no device, so this binary needs none of the shared test support.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
