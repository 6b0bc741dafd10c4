#include "engine/pool.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "engine/context.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;

TEST_CASE("a pool repeats its addresses and stops asking the driver") {
  for (const Device device : test::backends()) {
    Context context(device);
    const auto round = [&] {
      std::vector<const float*> addresses;
      Tensor a = context.planar({1, 3, 40, 56}), b = context.planar({2, 16, 8, 8});
      {
        const Tensor c = context.planar({1, 64, 64, 64});
        addresses.push_back(c.data());
      }
      const Tensor d = context.planar({1, 1, 3, 5});
      a = {};
      const Tensor e = context.planar({1, 2, 40, 56});
      addresses.insert(addresses.end(), {b.data(), d.data(), e.data()});
      return addresses;
    };
    const auto first = round();
    const std::size_t calls = context.queue.meter().calls;
    for (int i = 0; i < 5; ++i) CHECK(round() == first);
    CHECK(context.queue.meter().calls == calls);
    CHECK(context.pool.in_use() == 0);
    CHECK(context.pool.peak() >= 64 * 64 * 64 * sizeof(float));
  }
}

TEST_CASE("a pool takes the smallest free block that fits, and merges what is freed") {
  Context context(Device::cpu);
  Pool& pool = context.pool;
  Pool::Block* blocks[4];
  for (auto& block : blocks) block = pool.acquire(1 << 20);
  Pool::Block* small = pool.acquire(1 << 12);
  Pool::Block* behind = pool.acquire(256);
  const char* at = small->data;
  pool.release(blocks[1]);
  pool.release(small);
  Pool::Block* again = pool.acquire(1 << 12);
  CHECK(again->data == at);  // not the hole of 1 MiB
  pool.release(blocks[2]);   // 1 and 2 become one hole of 2 MiB
  Pool::Block* wide = pool.acquire(2 << 20);
  CHECK(wide->data == blocks[0]->data + blocks[0]->bytes);
  for (Pool::Block* block : {blocks[0], blocks[3], again, behind, wide}) pool.release(block);
  CHECK(pool.in_use() == 0);
}

TEST_CASE("a reserve's memory is its own, until it goes") {
  for (const Device device : test::backends()) {
    Context context(device);
    const Shape shape{1, 16, 64, 64};
    std::optional<Pool::Reserve> reserve(context.pool);
    const float *inside = nullptr, *deeper = nullptr;
    {
      const Pool::Reserve::Inside in(*reserve);
      Tensor kept = context.planar(shape);
      inside = kept.data();
      {
        Pool::Reserve other(context.pool);
        const Pool::Reserve::Inside in_other(other);
        deeper = context.planar(shape).data();
      }
      const Tensor again = context.planar(shape);  // from the first once more
      CHECK(again.data() != inside);
      CHECK(again.data() != deeper);
    }
    // All of it is free, and nobody's but the reserve's. The other's is everybody's by now.
    CHECK(context.planar(shape).data() == deeper);
    {
      const Tensor first = context.planar(shape), second = context.planar(shape);
      CHECK(second.data() != inside);
    }
    const std::size_t calls = context.queue.meter().calls;
    {
      const Pool::Reserve::Inside in(*reserve);
      const Tensor first = context.planar(shape), second = context.planar(shape);
      CHECK(first.data() == inside);
    }
    CHECK(context.queue.meter().calls == calls);
    reserve.reset();
    const Tensor all[] = {context.planar(shape), context.planar(shape), context.planar(shape),
                          context.planar(shape)};
    CHECK(std::any_of(std::begin(all), std::end(all), [&](const Tensor& t) { return t.data() == inside; }));
    CHECK(context.queue.meter().calls == calls);
  }
}

TEST_CASE("shared tensors give their memory back once") {
  Context context(Device::cpu);
  Tensor a = context.planar({1, 1, 8, 8});
  CHECK(a.unique());
  Tensor b = a;
  CHECK(!a.unique());
  CHECK(b.data() == a.data());
  a = {};
  CHECK(b.unique());
  CHECK(context.pool.in_use() > 0);
  b = Tensor();
  CHECK(context.pool.in_use() == 0);
}

TEST_CASE("a guarded pool notices writes outside a block and fills with NaN") {
  Context context(Device::cpu, 0, true);
  {
    Tensor x = context.planar({1, 1, 3, 3});
    CHECK(std::isnan(x.data()[0]));
    CHECK(std::isnan(x.data()[8]));
    x.data()[8] = 1;
  }
  CHECK(context.pool.damaged_guards() == 0);
  {
    Tensor x = context.planar({1, 1, 3, 3});
    x.data()[9] = 1;  // one past the end
  }
  CHECK(context.pool.damaged_guards() == 1);
  {
    Tensor x = context.planar({1, 1, 3, 3});
    x.data()[-1] = 1;
  }
  CHECK(context.pool.damaged_guards() == 2);
}

TEST_CASE("out of memory is an error that says how much was asked for") {
  Context context(Device::cpu);
  CHECK_THROWS_WITH_AS(context.pool.acquire(std::size_t(1) << 60), doctest::Contains("out of memory"), Error);
}
