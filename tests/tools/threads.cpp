#include "tools/threads.hpp"

#include <doctest/doctest.h>

using namespace tweedie;

TEST_CASE("a container's quota is rounded up to whole cores; where there is none, it is 0") {
  CHECK(cores_of_quota("200000 100000") == 2);
  CHECK(cores_of_quota("150000 100000\n") == 2);
  CHECK(cores_of_quota("10000 100000") == 1);
  CHECK(cores_of_quota("max 100000") == 0);
  CHECK(cores_of_quota("") == 0);
  CHECK(cores_of_quota("-1 100000") == 0);
  CHECK(cores_of_quota("100000") == 0);
  CHECK(cores_of_quota("100000 0") == 0);
}

TEST_CASE("there is at least one core to use") { CHECK(usable_cores() >= 1); }
