#include "kernels/resample.hpp"

#include "tests/cases/resample.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Kernel = void (*)(Queue&, View<float>, View<const float>);

Shape doubled(const Shape& s) { return {s.N, s.C, 2 * s.H, 2 * s.W}; }

// Runs a kernel on planar values through layout b; `shift` spoils the alignment.
std::vector<float> run(Kernel kernel, Queue& q, const std::vector<float>& x, Shape from, Shape to, int b,
                       int shift = 0) {
  std::vector<float> in = to_blocks(x, from, b);
  in.insert(in.begin(), std::size_t(shift), std::nanf(""));
  const DeviceArray<float> source(q, in), result(q, to.size() + shift);
  kernel(q, {result.data() + shift, to, b}, View<const float>(source.data() + shift, from, b));
  std::vector<float> out = result.host();
  out.erase(out.begin(), out.begin() + shift);
  return from_blocks(out, to, b);
}

std::vector<double> spread(const std::vector<float>& small, Shape s, double factor) {
  const Shape large = doubled(s);
  std::vector<double> y;
  for (int plane = 0; plane < s.N * s.C; ++plane)
    for (int h = 0; h < large.H; ++h)
      for (int w = 0; w < large.W; ++w)
        y.push_back(factor * small[std::size_t((plane * s.H + h / 2) * s.W + w / 2)]);
  return y;
}

std::vector<double> gather(const std::vector<float>& large, Shape s, double factor) {
  std::vector<double> y(std::size_t(s.size()));
  const Shape l = doubled(s);
  for (int plane = 0; plane < s.N * s.C; ++plane)
    for (int h = 0; h < l.H; ++h)
      for (int w = 0; w < l.W; ++w)
        y[std::size_t((plane * s.H + h / 2) * s.W + w / 2)] +=
            factor * large[std::size_t((plane * l.H + h) * l.W + w)];
  return y;
}

// Spreading copies (times a power of two), so it is exact; a sum of four rounds thrice: 3 * 2^-24.
void check_row(Queue& q, const cases::MapCase& row, int shift = 0) {
  const Shape small = row.shape, large = doubled(small);
  const int b = cases::block(q.device(), row.b, small.C);
  const std::vector<float> few = random_values(small.size(), 1), many = random_values(large.size(), 2);
  const std::string name = message(" ", small, " b=", b);
  const auto value = [&](Kernel kernel, bool up) {
    return under_all_warp_orders(q, [&] {
      return up ? run(kernel, q, few, small, large, b, shift) : run(kernel, q, many, large, small, b, shift);
    });
  };
  check_close("upsample_nearest2" + name, value(upsample_nearest2, true), spread(few, small, 1), 0);
  check_close("average_pool2_backward" + name, value(average_pool2_backward, true), spread(few, small, 0.25),
              0);
  check_close("average_pool2" + name, value(average_pool2, false), gather(many, small, 0.25), 2e-7);
  check_close("upsample_nearest2_backward" + name, value(upsample_nearest2_backward, false),
              gather(many, small, 1), 2e-7);
}

}  // namespace

TEST_CASE("resample: values against loops in double") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const cases::MapCase& row : cases::resamples_small) check_row(q, row);
    check_row(q, {{1, 32, 33, 35}, 16});  // enough for threads
    check_row(q, {{2, 16, 3, 5}, 16}, 1);
  }
}

TEST_CASE("resample: each backward is its forward's adjoint") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const cases::MapCase& row : cases::resamples_small) {
      const Shape small = row.shape, large = doubled(small);
      if (small.size() == 0) continue;
      const int b = cases::block(d, row.b, small.C);
      // Linear maps: only rounding remains.
      check_vjp(
          message("upsample_nearest2 ", small),
          [&](const std::vector<float>& x) { return run(upsample_nearest2, q, x, small, large, b); },
          [&](const std::vector<float>& w) { return run(upsample_nearest2_backward, q, w, large, small, b); },
          random_values(small.size(), 3), 1e-5, 1);
      check_vjp(
          message("average_pool2 ", small),
          [&](const std::vector<float>& x) { return run(average_pool2, q, x, large, small, b); },
          [&](const std::vector<float>& w) { return run(average_pool2_backward, q, w, small, large, b); },
          random_values(large.size(), 4), 1e-5, 1);
    }
  }
}

TEST_CASE("resample: wrong shapes are refused in one line") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> x(q, 8), y(q, 32);
    CHECK_THROWS_WITH_AS(upsample_nearest2(q, y.view({1, 2, 2, 8}), x.view({1, 2, 2, 2})),
                         "upsample_nearest2: (1, 2, 2, 8) is not (1, 2, 2, 2) with H and W doubled", Error);
    CHECK_THROWS_WITH_AS(average_pool2(q, x.view({1, 2, 2, 2}, 2), y.view({1, 2, 4, 4})),
                         "average_pool2: blocks differ: 1 and 2", Error);
    // An odd row cannot be halved.
    CHECK_THROWS_AS(average_pool2(q, x.view({1, 2, 2, 2}), View<const float>(y.data(), {1, 2, 4, 3})), Error);
    CHECK_THROWS_WITH_AS(upsample_nearest2(q, y.view({1, 2, 4, 4}, 3), x.view({1, 2, 2, 2}, 3)),
                         "upsample_nearest2: block 3 does not divide the 2 channels", Error);
  }
}
