#include "tools/restore/batches.hpp"

#include <doctest/doctest.h>

using namespace tweedie;

TEST_CASE("as many runs fit as memory has room for, in batches of about one size") {
  const std::size_t each = 100;
  CHECK(batch_that_fits(16, each, 0) == 1);    // what one takes is at hand
  CHECK(batch_that_fits(16, each, 142) == 1);  // seven tenths of it are not another one
  CHECK(batch_that_fits(16, each, 143) == 2);
  CHECK(batch_that_fits(16, each, 1000) == 8);  // 8 and 8
  CHECK(batch_that_fits(15, each, 1000) == 8);  // 8 and 7
  CHECK(batch_that_fits(9, each, 1000) == 5);   // 5 and 4 rather than 8 and 1
  CHECK(batch_that_fits(1, each, 1000) == 1);
  CHECK(batch_that_fits(16, each, std::size_t(1) << 50) == 16);
  CHECK(batch_that_fits(7, 0, 1000) == 7);  // nothing was seen to be taken
}

TEST_CASE("batches have the size that was asked for, or the first tells what a run takes") {
  Context context(Device::cpu);
  Batches three(context, 3);
  CHECK(three.next(7) == 3);
  CHECK(three.next(4) == 3);
  CHECK(three.next(1) == 1);

  const std::size_t available = context.queue.available();
  REQUIRE(available > std::size_t(64) << 20);
  Batches some(context, 0);
  CHECK(some.next(1000) == 1);
  { const Tensor taken = context.planar({1, 1, 1 << 10, 1 << 13}); }  // 32 MiB
  const int size = some.next(999);
  // What a machine has free changes while the test runs.
  CHECK(size > 0.5 * 0.7 * double(available) / (32 << 20) / 2);
  CHECK(size <= std::min(999.0, 1 + 1.5 * double(available) / (32 << 20)));
  CHECK(some.next(2) <= 2);
}
