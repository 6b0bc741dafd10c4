// Coarse to fine: what is measured at each size, and a kernel brought to the next.
#include "operators/kernel_scales.hpp"

#include <cmath>

#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

TEST_CASE("kernel scales: averages of the measurement, the coarsest first, as long as sides allow") {
  for (const Device device : backends()) {
    Context context(device, 1, true);
    const Shape s{1, 2, 128, 192};
    const std::vector<float> values = random_values(s.size(), 1);
    KernelMapOptions kernel;
    kernel.rows = 33, kernel.columns = 7, kernel.sigma = 0.03;
    const std::vector<KernelScale> scales = kernel_scales(context, context.upload(s, values), kernel, 3, 8);
    REQUIRE(scales.size() == 3);
    CHECK(context.download(scales[2].y) == values);
    CHECK(scales[0].y.shape() == Shape{1, 2, 32, 48});
    // The arms of 33 taps are 16, 8 and 4 long; those of 7 are 3, 2 (rounded up) and 1.
    CHECK(scales[1].kernel.rows == 17);
    CHECK(scales[0].kernel.rows == 9);
    CHECK(scales[1].kernel.columns == 5);
    CHECK(scales[0].kernel.columns == 3);
    CHECK(scales[1].kernel.sigma == doctest::Approx(0.015));
    CHECK(scales[0].kernel.sigma == doctest::Approx(0.01));  // not 0.0075
    double sum = 0;
    for (int h = 4; h < 8; ++h)
      for (int w = 8; w < 12; ++w) sum += values[std::size_t((128 + h) * 192 + w)];
    CHECK(context.download(scales[0].y)[std::size_t((32 + 1) * 48 + 2)] ==
          doctest::Approx(sum / 16).epsilon(1e-5));
  }
  const Shape small{1, 1, 9, 9};
  // 63 taps are 33 at half the size: one more than 32 pixels.
  CHECK(scale_count({1, 3, 64, 64}, {1, 1, 63, 9}, 8, 8) == 1);
  CHECK(scale_count({1, 3, 64, 64}, {1, 1, 61, 9}, 8, 8) == 2);
  CHECK(scale_count({1, 3, 128, 128}, {1, 1, 9, 125}, 8, 8) == 2);
  CHECK(scale_count({1, 3, 128, 192}, small, 8, 8) == 3);   // 16 pixels would be too few
  CHECK(scale_count({1, 3, 128, 256}, small, 8, 64) == 2);  // 32 is no multiple of 64
  CHECK(scale_count({1, 3, 127, 192}, small, 8, 1) == 1);
  CHECK(scale_count({1, 3, 256, 256}, small, 1, 8) == 1);
  CHECK_THROWS_WITH(scale_count({1, 3, 256, 256}, small, 0, 8), doctest::Contains("1 or more"));
}

TEST_CASE("kernel scales: the width of a kernel is the root of its second moment, the mean of both axes") {
  std::vector<float> k(5 * 9, 0.f);
  CHECK(kernel_width(k, 5, 9) == 0);
  k[1 * 9 + 1] = k[3 * 9 + 7] = 2;  // one row and three columns from the middle
  CHECK(kernel_width(k, 5, 9) == doctest::Approx(std::sqrt((1 + 9) / 2.0)));
}

TEST_CASE("kernel scales: a doubled kernel is the same about its middle, twice as wide") {
  for (const Device device : backends()) {
    Context context(device, 1, true);
    // A point at the middle becomes a tent, and one beside it a tent at twice the distance.
    const std::vector<float> point{0, 0, 0, 0, 0.75f, 0.25f, 0, 0, 0};
    const Tensor doubled = doubled_kernel(context, context.upload({1, 1, 3, 3}, point), 5, 7);
    const std::vector<float> k = context.download(doubled);
    const float across[] = {0, 0, 0.1875f, 0.375f, 0.25f, 0.125f, 0.0625f};  // over 1 + 1/2 + 1/2 rows
    for (int i = 0; i < 5; ++i)
      for (int j = 0; j < 7; ++j) {
        const float along = i == 2 ? 0.5f : i == 1 || i == 3 ? 0.25f : 0.f;
        CAPTURE(i);
        CAPTURE(j);
        CHECK(k[std::size_t(i * 7 + j)] == doctest::Approx(along * across[j]).epsilon(1e-6));
      }
    CHECK_THROWS_WITH(doubled_kernel(context, doubled, 8, 7), doctest::Contains("odd sides"));
  }
}
