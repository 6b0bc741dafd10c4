#include "kernels/timer.hpp"

#include <thread>

#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

TEST_CASE("on the CPU a stopwatch counts from its first mark, and by laps from the last one") {
  Queue q(Device::cpu);
  Stopwatch watch(q);
  const auto wait = [] { std::this_thread::sleep_for(std::chrono::milliseconds(20)); };
  wait();
  CHECK(watch.seconds() >= 0.02);
  wait();
  CHECK(watch.seconds() >= 0.04);
  const double first = watch.lap(), second = watch.lap();
  CHECK(first >= 0.04);
  CHECK(second >= 0);
  CHECK(second < first);
  wait();
  watch.start();
  CHECK(watch.seconds() < 0.02 + first);
}

TEST_CASE("on CUDA a stopwatch counts the work between its marks") {
  for (const Device device : backends()) {
    if (device == Device::cpu) continue;
    Queue q(device);
    const DeviceArray<float> x(q, 1 << 20);
    const auto fill = [&](int times) {
      for (int k = 0; k < times; ++k) fill_bytes(q, x.data(), 0, std::size_t(4) << 20);
    };
    fill(50);  // the device wakes up
    Stopwatch watch(q);
    fill(1000);
    const double many = watch.lap();
    const double none = watch.lap();
    fill(100);
    const double some = watch.seconds();
    CHECK(none >= 0);
    CHECK(none < some);
    CHECK(some < many);
    watch.start();
    CHECK(watch.seconds() < some);
  }
}
