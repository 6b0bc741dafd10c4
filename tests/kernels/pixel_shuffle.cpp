#include "kernels/pixel_shuffle.hpp"

#include "tests/cases/pixel_shuffle.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Row = cases::PixelShuffleCase;

std::size_t planar(const Shape& s, int n, int c, int h, int w) {
  return std::size_t(((std::int64_t(n) * s.C + c) * s.H + h) * s.W + w);
}

std::vector<float> run(Queue& q, bool backward, const std::vector<float>& values, const Row& r) {
  const Shape large{r.small.N, r.channels, 2 * r.small.H, 2 * r.small.W};
  const Shape &from = backward ? large : r.small, &to = backward ? r.small : large;
  const int from_b = backward ? r.large_b : r.small_b, to_b = backward ? r.small_b : r.large_b;
  return under_all_warp_orders(q, [&] {
    const DeviceArray<float> in(q, to_blocks(values, from, from_b)), out(q, to.size());
    const View<const float> source(in.data(), from, from_b);
    if (backward)
      pixel_shuffle2_backward(q, out.view(to, to_b), source);
    else
      pixel_shuffle2(q, out.view(to, to_b), source);
    return from_blocks(out.host(), to, to_b);
  });
}

}  // namespace

TEST_CASE("pixel_shuffle: four channels become four pixels, and back") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const Row& r : cases::pixel_shuffles_small) {
      const Shape &s = r.small, large{s.N, r.channels, 2 * s.H, 2 * s.W};
      const std::vector<float> x = random_values(s.size(), 1), dy = random_values(large.size(), 2);
      std::vector<float> y(std::size_t(large.size()), 0.f), dx(std::size_t(s.size()), 0.f);
      for (int n = 0; n < s.N; ++n)
        for (int c = 0; c < s.C; ++c)
          for (int h = 0; h < s.H; ++h)
            for (int w = 0; w < s.W; ++w) {
              const std::size_t at = planar(large, n, c / 4, 2 * h + (c % 4) / 2, 2 * w + c % 2);
              y[at] = x[planar(s, n, c, h, w)];
              dx[planar(s, n, c, h, w)] = dy[at];
            }
      const std::string name = message(' ', s, " to ", large);
      check_equal("pixel_shuffle2" + name, run(q, false, x, r), y);
      check_equal("pixel_shuffle2_backward" + name, run(q, true, dy, r), dx);
    }
  }
}

TEST_CASE("pixel_shuffle: wrong shapes are refused in one line") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> x(q, 32), y(q, 16);
    CHECK_THROWS_WITH_AS(
        pixel_shuffle2(q, y.view({1, 1, 4, 4}), View<const float>(x.data(), {1, 8, 2, 2})),
        "pixel_shuffle2: (1, 1, 4, 4) is not (1, 8, 2, 2) with H and W doubled and a quarter of "
        "the channels, or more",
        Error);
    CHECK_THROWS_AS(
        pixel_shuffle2_backward(q, x.view({1, 8, 2, 2}, 3), View<const float>(y.data(), {1, 2, 4, 4})),
        Error);
  }
}
