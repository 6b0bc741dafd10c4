#include "kernels/pooling.hpp"

#include <limits>

#include "tests/cases/pooling.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Row = cases::PoolingCase;

Shape output(const Row& r) { return {r.x.N, r.x.C, r.g.output(r.x.H), r.g.output(r.x.W)}; }

// Pooling by its definition: every window visits every pixel of its plane and keeps those inside.
// body(plane, window's index, pixel's index)
template <class Body>
void each_pair(const Row& r, Body body) {
  const Shape y = output(r);
  for (std::size_t plane = 0; plane < std::size_t(r.x.N) * std::size_t(r.x.C); ++plane)
    for (int oh = 0; oh < y.H; ++oh)
      for (int ow = 0; ow < y.W; ++ow)
        for (int h = 0; h < r.x.H; ++h)
          for (int w = 0; w < r.x.W; ++w) {
            const int from_top = h - (oh * r.g.stride - r.g.pad), from_left = w - (ow * r.g.stride - r.g.pad);
            if (from_top < 0 || from_top >= r.g.kernel || from_left < 0 || from_left >= r.g.kernel) continue;
            body(plane * std::size_t(y.plane()) + std::size_t(oh * y.W + ow),
                 plane * std::size_t(r.x.plane()) + std::size_t(h * r.x.W + w));
          }
}

struct Reference {
  std::vector<double> maximum, average, maximum_backward, average_backward;
  Reference(const Row& r, const std::vector<float>& x, const std::vector<float>& dy)
      : maximum(dy.size(), -std::numeric_limits<double>::infinity()),
        average(dy.size()),
        maximum_backward(x.size()),
        average_backward(x.size()) {
    std::vector<std::size_t> highest(dy.size());
    std::vector<double> counts(dy.size());
    each_pair(r, [&](std::size_t to, std::size_t from) {
      counts[to] += 1;
      average[to] += x[from];
      if (x[from] > maximum[to]) {
        maximum[to] = x[from];
        highest[to] = from;
      }
    });
    for (std::size_t i = 0; i < dy.size(); ++i) {
      average[i] /= counts[i];
      maximum_backward[highest[i]] += dy[i];
    }
    each_pair(r, [&](std::size_t to, std::size_t from) { average_backward[from] += dy[to] / counts[to]; });
  }
};

std::vector<float> run(Queue& q, const Row& r, bool maximum, const std::vector<float>& x) {
  const Shape y = output(r);
  const DeviceArray<float> from(q, to_blocks(x, r.x, r.b)), to(q, y.size());
  (maximum ? max_pool : average_pool)(q, to.view(y, r.b), from.view(r.x, r.b), r.g);
  return from_blocks(to.host(), y, r.b);
}

std::vector<float> run_backward(Queue& q, const Row& r, bool maximum, const std::vector<float>& dy,
                                const std::vector<float>& x) {
  const Shape y = output(r);
  const DeviceArray<float> from(q, to_blocks(dy, y, r.b)), at(q, to_blocks(x, r.x, r.b)), to(q, r.x.size());
  if (maximum)
    max_pool_backward(q, to.view(r.x, r.b), from.view(y, r.b), at.view(r.x, r.b), r.g);
  else
    average_pool_backward(q, to.view(r.x, r.b), from.view(y, r.b), r.g);
  return from_blocks(to.host(), r.x, r.b);
}

}  // namespace

TEST_CASE("pooling: values and gradients against loops in double") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const Row& r : cases::poolings_small) {
      // All values are negative, so that a padding of zeros would win; few levels, so that there are ties.
      std::vector<float> x = random_values(r.x.size(), 1, -3, -1);
      for (float& value : x) value = std::round(value * 4) / 4;
      const std::vector<float> dy = random_values(output(r).size(), 2);
      const Reference expected(r, x, dy);
      const std::string name = message(' ', r.x, " b=", r.b, " kernel ", r.g.kernel, " stride ", r.g.stride);
      const auto value = [&](const auto& body) { return under_all_warp_orders(q, body); };
      check_close("max_pool" + name, value([&] { return run(q, r, true, x); }), expected.maximum, 0);
      // Sums of 9 values, and a quotient: ten roundings of at most the largest value.
      check_close("average_pool" + name, value([&] { return run(q, r, false, x); }), expected.average, 6e-7);
      check_close("max_pool_backward" + name, value([&] { return run_backward(q, r, true, dy, x); }),
                  expected.maximum_backward, 6e-7);
      check_close("average_pool_backward" + name, value([&] { return run_backward(q, r, false, dy, x); }),
                  expected.average_backward, 6e-7);
    }
  }
}

TEST_CASE("pooling: the output's size is torch's") {
  // torch.nn.functional.max_pool2d on these sides: kernel, stride, padding, ceil_mode.
  CHECK(PoolGeometry{2, 2}.output(7) == 3);
  CHECK(PoolGeometry{2, 2, 0, true}.output(7) == 4);
  CHECK(PoolGeometry{3, 2}.output(149) == 74);
  CHECK(PoolGeometry{3, 2, 0, true}.output(31) == 15);
  CHECK(PoolGeometry{3, 2, 0, true}.output(32) == 16);
  CHECK(PoolGeometry{3, 1, 1}.output(35) == 35);
  CHECK(PoolGeometry{2, 2, 1, true}.output(3) == 2);  // a third window would begin in the padding
  CHECK(PoolGeometry{2, 3, 1, true}.output(5) == 2);
  CHECK(PoolGeometry{3, 2, 0, true}.output(2) == 1);  // the only window overhangs
}

TEST_CASE("pooling: each backward is its forward's derivative") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const Row& r : cases::poolings_small) {
      if (r.x.size() == 0) continue;
      const std::vector<float> point = random_values(r.x.size(), 3);
      check_vjp(
          message("average_pool ", r.x), [&](const std::vector<float>& at) { return run(q, r, false, at); },
          [&](const std::vector<float>& w) { return run_backward(q, r, false, w, point); }, point, 1e-5, 1);
      if (r.x.size() > 2000) continue;  // numbers apart by 1 need room: a float's step is felt
      // Distinct values further apart than the step of the difference: the maxima stay where they are.
      std::vector<float> x(point.size());
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = float(i * 7919 % x.size());
      check_vjp(
          message("max_pool ", r.x), [&](const std::vector<float>& at) { return run(q, r, true, at); },
          [&](const std::vector<float>& w) { return run_backward(q, r, true, w, x); }, x, 1e-3, 0.25);
    }
  }
}

TEST_CASE("pooling: what makes no pooling is refused in one line") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> x(q, 50), y(q, 8);
    const View<const float> from(x.data(), {1, 2, 5, 5});
    CHECK_THROWS_WITH_AS(max_pool(q, y.view({1, 2, 2, 2}), from, {3, 1}),
                         "max_pool: the output of (1, 2, 5, 5) is (1, 2, 3, 3), not (1, 2, 2, 2)", Error);
    CHECK_THROWS_WITH_AS(average_pool(q, y.view({1, 2, 2, 2}), from, {2, 2, 2}),
                         "average_pool: windows of 2 pixels, stride 2, padding 2 make no pooling", Error);
    CHECK_THROWS_WITH_AS(max_pool(q, y.view({1, 2, 2, 2}), from, {6, 1}),
                         "max_pool: a window of 6 pixels does not fit into (1, 2, 5, 5) padded by 0", Error);
    CHECK_THROWS_AS(
        max_pool(q, y.view({1, 2, 2, 2}), View<const float>(x.data(), {1, 2, 1, 5}), {3, 2, 0, true}), Error);
    CHECK_THROWS_WITH_AS(average_pool(q, y.view({1, 2, 2, 2}, 2), from, {2, 2}),
                         "average_pool: blocks of 1 and 2 of 2 channels", Error);
  }
}
