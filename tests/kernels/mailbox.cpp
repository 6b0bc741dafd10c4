#include "kernels/mailbox.hpp"

#include "kernels/elementwise.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using test::DeviceArray;

TEST_CASE("a mailbox brings what was sent the time before, on a CPU at once, and each message once") {
  for (const Device device : test::backends()) {
    const bool late = device == Device::cuda;
    Queue q(device);
    const DeviceArray<float> x(q, std::vector<float>(3, 0.f));
    Mailbox box(q, 2 * sizeof(float));
    float host[3] = {-1, -1, -1};
    CHECK(!box.collect(host));
    for (int k = 1; k < 6; ++k) {
      fill(q, x.view({1, 1, 1, 3}), float(k));
      const int arrived = late ? k - 1 : k;
      CHECK(box.exchange(host, x.data()) == (arrived > 0));
      fill(q, x.view({1, 1, 1, 3}), -7);  // what was sent is what it was then
      if (arrived == 0) continue;
      CHECK(host[0] == arrived);
      CHECK(host[1] == arrived);
    }
    CHECK(host[2] == -1);
    CHECK(box.collect(host) == late);
    CHECK(host[0] == 5);
    CHECK(!box.collect(host));
  }
}

TEST_CASE("a mailbox goes with a message on its way") {
  for (const Device device : test::backends()) {
    Queue q(device);
    const DeviceArray<float> x(q, std::vector<float>(3, 2.f));
    float host = 0;
    Mailbox(q, sizeof host).exchange(&host, x.data());
    CHECK(host == (device == Device::cuda ? 0 : 2));
  }
}
