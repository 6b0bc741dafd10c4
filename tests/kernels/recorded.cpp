#include "kernels/recorded.hpp"

#include "kernels/elementwise.hpp"
#include "kernels/fft.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using test::DeviceArray;

namespace {

constexpr Shape shape{1, 2, 3, 5};

}  // namespace

TEST_CASE("what was recorded is done when it is run, each time, with the arguments it was recorded with") {
  for (const Device device : test::backends()) {
    if (device == Device::cpu) continue;
    Queue q(device);
    const DeviceArray<float> x(q, std::vector<float>(30, 1.f)), y(q, std::vector<float>(30, 5.f));
    float a = 2;
    const Recorded recorded(q, [&] {
      axpby(q, x.view(shape), a, x.view(shape), 1.f, y.view(shape));  // x = 2 x + y
      fill_bytes(q, y.data(), 0, 4);
      copy_bytes(q, y.data() + 4, x.data(), 8);
    });
    a = 100;
    CHECK(bool(recorded));
    CHECK(x.host()[7] == 1);  // nothing was done
    recorded.run(q);
    CHECK(x.host()[7] == 7);
    CHECK(y.host()[0] == 0);
    CHECK(y.host()[4] == 7);
    recorded.run(q);
    CHECK(x.host()[0] == 14);
    CHECK(x.host()[7] == 19);
    CHECK(y.host()[5] == 7 * 2 + 5);
    const Recorded copy = recorded;  // shares the graph
    copy.run(q);
    CHECK(x.host()[7] == 43);
  }
}

TEST_CASE("what a graph cannot do is refused, and leaves nothing recording") {
  for (const Device device : test::backends()) {
    if (device == Device::cpu) continue;
    Queue q(device);
    const DeviceArray<float> x(q, std::vector<float>(30, 1.f));
    const auto refused = [&](const std::function<void()>& body) {
      CHECK_THROWS_AS(Recorded(q, body), Error);
      fill(q, x.view(shape), 3);
      CHECK(x.host()[29] == 3);
      const Recorded good(q, [&] { fill(q, x.view(shape), 4); });
      good.run(q);
      CHECK(x.host()[29] == 4);
    };
    refused([&] { q.synchronize(); });
    refused([&] { q.deallocate(q.allocate(1024), 1024); });
    refused([&] { q.scratch(std::size_t(1) << 24); });
    float host = 0;
    refused([&] { copy_to_host(q, &host, x.data(), 4); });
    refused([&] { copy_from_host(q, x.data(), &host, 4); });
    refused([] { throw Error("of the body's own"); });
  }
}

TEST_CASE("buffers that a graph works in stay where they are") {
  for (const Device device : test::backends()) {
    if (device == Device::cpu) continue;
    Queue q(device);
    auto* const before = static_cast<float*>(q.scratch(1024));
    const Recorded recorded(q, [&] { fill(q, View<float>(before, shape), 6); });
    CHECK(q.scratch(std::size_t(1) << 22) != before);
    recorded.run(q);
    float found = 0;
    copy_to_host(q, &found, before + 29, sizeof found);
    CHECK(found == 6);
  }
}

TEST_CASE("a CPU records nothing") {
  Queue q(Device::cpu);
  CHECK_THROWS_WITH_AS(Recorded(q, [] {}), "recording: only CUDA can", Error);
  CHECK(!Recorded());
  CHECK_THROWS_AS(Recorded().run(q), Error);
}
