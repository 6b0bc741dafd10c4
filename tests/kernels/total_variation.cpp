#include "kernels/total_variation.hpp"

#include <cmath>

#include "tests/cases/total_variation.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

Shape doubled(const Shape& s) { return {s.N, 2 * s.C, s.H, s.W}; }

std::size_t at(const Shape& s, int n, int c, int h, int w) {
  return std::size_t(((std::int64_t(n) * s.C + c) * s.H + h) * s.W + w);
}

using Op = void (*)(Queue&, View<float>, View<const float>);
std::vector<float> run(Queue& q, Op op, const std::vector<float>& x, const Shape& from, const Shape& to) {
  return under_all_warp_orders(q, [&] {
    const DeviceArray<float> in(q, x), out(q, to.size());
    op(q, out.view(to), in.view(from));
    return out.host();
  });
}

// f(image's element, element along H, element along W) for each pixel.
template <class F>
void for_each_pixel(const Shape& s, F f) {
  const Shape pairs = doubled(s);
  for (int n = 0; n < s.N; ++n)
    for (int c = 0; c < s.C; ++c)
      for (int h = 0; h < s.H; ++h)
        for (int w = 0; w < s.W; ++w)
          f(at(s, n, c, h, w), at(pairs, n, c, h, w), at(pairs, n, s.C + c, h, w), h, w);
}

}  // namespace

TEST_CASE("total_variation: differences to the next pixel, and their adjoint") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const Shape& s : cases::differences_small) {
      const std::vector<float> x = random_values(s.size(), 1);
      std::vector<float> expected(2 * x.size(), 0.f);
      for_each_pixel(s, [&](std::size_t i, std::size_t along_h, std::size_t along_w, int h, int w) {
        if (h + 1 < s.H) expected[along_h] = x[i + std::size_t(s.W)] - x[i];
        if (w + 1 < s.W) expected[along_w] = x[i + 1] - x[i];
      });
      // One subtraction: the same bits.
      check_equal(message("differences ", s), run(q, differences, x, s, doubled(s)), expected);
      if (s.size() == 0) continue;
      check_vjp(
          message("differences ", s),
          [&](const std::vector<float>& v) { return run(q, differences, v, s, doubled(s)); },
          [&](const std::vector<float>& v) { return run(q, differences_backward, v, doubled(s), s); }, x,
          1e-6, 1.0);
    }
  }
}

TEST_CASE("total_variation: norms of pairs, and pairs made shorter") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const Shape& s : cases::differences_small) {
      std::vector<float> g = random_values(2 * s.size(), 2);
      if (s.size() > 0) g[0] = g[std::size_t(s.sample())] = 0;  // a pair of length 0
      std::vector<double> norms(std::size_t(s.size()), 0.0), shorter(g.size(), 0.0), same(g.size(), 0.0);
      for_each_pixel(s, [&](std::size_t i, std::size_t along_h, std::size_t along_w, int, int) {
        norms[i] = std::hypot(double(g[along_h]), double(g[along_w]));
        const double factor = norms[i] > 0.4f ? 1 - 0.4f / norms[i] : 0;
        shorter[along_h] = factor * g[along_h], shorter[along_w] = factor * g[along_w];
        same[along_h] = g[along_h], same[along_w] = g[along_w];
      });
      const auto shrink = [&](float threshold) {
        return under_all_warp_orders(q, [&] {
          const DeviceArray<float> in_place(q, g);
          shrink_differences(q, in_place.view(doubled(s)), in_place.view(doubled(s)), threshold);
          return in_place.host();
        });
      };
      // A few roundings of values below 1.5.
      check_close(message("difference_norms ", s), run(q, difference_norms, g, doubled(s), s), norms, 2e-7);
      check_close(message("shrink_differences ", s), shrink(0.4f), shorter, 2e-7);
      check_close(message("shrink_differences by nothing ", s), shrink(0), same, 0);
    }
  }
}

TEST_CASE("total_variation: wrong arguments are refused in one line") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> x(q, 12), g(q, 24);
    CHECK_THROWS_WITH_AS(
        differences(q, g.view({1, 4, 3, 2}), x.view({1, 2, 2, 3})),
        "differences: differences (1, 4, 3, 2) of images (1, 2, 2, 3); expected (1, 4, 2, 3)", Error);
    CHECK_THROWS_AS(differences_backward(q, x.view({1, 2, 2, 3}, 2), g.view({1, 4, 2, 3})), Error);
    CHECK_THROWS_AS(difference_norms(q, x.view({1, 2, 2, 3}), g.view({2, 2, 2, 3})), Error);
    CHECK_THROWS_AS(shrink_differences(q, x.view({1, 3, 2, 2}), x.view({1, 3, 2, 2}), 1), Error);
    CHECK_THROWS_WITH_AS(shrink_differences(q, x.view({1, 2, 2, 3}), x.view({1, 2, 2, 3}), -1),
                         "shrink_differences: a threshold of -1; expected 0 or more", Error);
  }
}
