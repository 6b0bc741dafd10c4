// The kernel's most likely value, against normal equations in double, and found again where it is known.
#include "operators/kernel_map.hpp"

#include <array>

#include "operators/convolution.hpp"
#include "operators/motion_kernel.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Values = std::vector<float>;

/// k correlated with x, around the edges, in double; k's middle is (rows - 1)/2, (columns - 1)/2.
std::vector<double> correlated(const Values& x, const Shape& s, const Values& k, int rows, int columns) {
  std::vector<double> y;
  for (int p = 0; p < s.N * s.C; ++p)
    for (int h = 0; h < s.H; ++h)
      for (int w = 0; w < s.W; ++w) {
        double sum = 0;
        for (int i = 0; i < rows; ++i)
          for (int j = 0; j < columns; ++j) {
            const int row = (h + i - (rows - 1) / 2 + 10 * s.H) % s.H;
            const int column = (w + j - (columns - 1) / 2 + 10 * s.W) % s.W;
            sum += double(k[std::size_t(i * columns + j)]) * x[std::size_t((p * s.H + row) * s.W + column)];
          }
        y.push_back(sum);
      }
  return y;
}

}  // namespace

TEST_CASE("kernel estimate: its least squares solution is where the gradient is 0") {
  // A kernel as large as the image, so that all of the solution is seen.
  const Shape s{2, 3, 5, 8}, taps{1, 1, 5, 8};
  const Values x = random_values(s.size(), 1), near = random_values(40, 3);
  for (const Device device : backends())
    for (const int measurements : {1, 2}) {
      Context context(device, 1, true);
      {
        const Shape of_y{measurements, 3, 5, 8};
        const Values y = random_values(of_y.size(), 2);
        KernelMapOptions o{.rows = 5, .columns = 8, .sigma = 0.1, .coupling = 70};
        KernelMap map(context, o);
        const Values z = context.download(
            map.least_squares(context.upload(s, x), context.upload(of_y, y), context.upload(taps, near)));
        const std::vector<double> seen = correlated(x, s, z, 5, 8);
        double largest = 0, scale = 0;
        for (int i = 0; i < 5; ++i)
          for (int j = 0; j < 8; ++j) {
            // Mean over 6 planes of |y - z * x|^2 / (2 sigma^2), and b / 2 |z - near|^2.
            double on_data = 0;
            for (int p = 0; p < 6; ++p)
              for (int h = 0; h < 5; ++h)
                for (int w = 0; w < 8; ++w) {
                  const std::size_t at = std::size_t((p * 5 + h) * 8 + w);
                  const double measured = y[measurements == 1 ? at % 120 : at];
                  const int row = (h + i - 2 + 5) % 5, column = (w + j - 3 + 8) % 8;
                  on_data += (seen[at] - measured) * x[std::size_t((p * 5 + row) * 8 + column)];
                }
            const std::size_t tap = std::size_t(i * 8 + j);
            const double on_near = 70 * (double(z[tap]) - near[tap]);
            largest = std::max(largest, std::abs(on_data / (6 * 0.01) + on_near));
            scale = std::max(scale, std::abs(on_near));
          }
        CHECK(scale > 1);
        CHECK(largest < 1e-5 * scale);  // FFTs in float
      }
      CHECK(context.pool.damaged_guards() == 0);
      CHECK(context.pool.in_use() == 0);
    }
}

TEST_CASE("kernel estimate: a motion kernel is found again from the image, on the simplex and centred") {
  const Shape s{1, 3, 48, 40};
  const Values x = random_values(s.size(), 1), truth = motion_kernel(15, 0.5, 4);
  Values y;
  const Values noise = random_values(s.size(), 5, -0.017f, 0.017f);  // standard deviation 0.01
  const std::vector<double> clean = correlated(x, s, truth, 15, 15);
  for (std::size_t i = 0; i < clean.size(); ++i) y.push_back(float(clean[i]) + noise[i]);
  for (const Device device : backends()) {
    Context context(device);
    KernelMapOptions o{.rows = 15, .columns = 15, .sigma = 0.01, .coupling = 1e5, .recentre = false};
    KernelMap map(context, o);
    const Tensor start = map.delta();
    const auto error = [&](const Values& k) {
      double sum = 0;
      for (std::size_t i = 0; i < truth.size(); ++i) sum += std::pow(double(k[i]) - truth[i], 2);
      return std::sqrt(sum);
    };
    const Values first = context.download(start),
                 found = context.download(map.solve(context.upload(s, x), context.upload(s, y), start));
    double total = 0;
    for (const float k : found) {
      CHECK(k >= 0);
      total += k;
    }
    CHECK(std::abs(total - 1) < 1e-5);
    CHECK(error(found) < 0.03 * error(first));
    // The middle of `Convolution` with circular edges is the same.
    Convolution op(context, Padding::circular);
    check_close(
        "measured",
        context.download(op.forward(std::array{context.upload(s, x), context.upload({1, 1, 15, 15}, truth)})),
        clean, 2e-6);
  }
}

TEST_CASE("kernel estimate: the proximal map gets kernels on the simplex, and is held to it") {
  const Shape s{2, 1, 9, 10};
  const Values x = random_values(s.size(), 1), y = random_values(90, 2);
  for (const Device device : backends()) {
    Context context(device);
    int calls = 0;
    const auto proximal = [&](Tensor& kernel, double noise) {
      ++calls;
      CHECK(noise == doctest::Approx(0.02));
      double sum = 0;
      for (const float k : context.download(kernel)) {
        CHECK(k >= 0);
        sum += k;
      }
      CHECK(std::abs(sum - 1) < 1e-5);
      // All mass to the last pixel but one.
      kernel = context.upload({1, 1, 3, 4}, Values{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0});
    };
    KernelMapOptions o{
        .rows = 3, .columns = 4, .coupling = 100, .iterations = 3, .lambda = 0.04, .recentre = false};
    const auto solved = [&] {
      KernelMap map(context, o, proximal);
      return context.download(map.solve(context.upload(s, x), context.upload({1, 1, 9, 10}, y), map.delta()));
    };
    check_equal("held", solved(), Values{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0});
    CHECK(calls == 3);
    o.recentre = true;  // to row 1, column 1
    check_equal("recentred", solved(), Values{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0});
  }
}

TEST_CASE("kernel estimate: mistakes are named") {
  Context context(Device::cpu);
  CHECK_THROWS_WITH_AS(KernelMap(context, {.sigma = 0}), doctest::Contains("sigma 0"), Error);
  CHECK_THROWS_WITH_AS(KernelMap(context, {.iterations = 0}), doctest::Contains("in 0 iterations"), Error);
  KernelMap map(context, {.rows = 5, .columns = 5});
  const Tensor x = context.planar({2, 3, 4, 8});
  CHECK_THROWS_WITH_AS(map.solve(x, x, map.delta()), doctest::Contains("5 pixels for images of 4"), Error);
  CHECK_THROWS_WITH_AS(map.solve(x, context.planar({3, 3, 4, 8}), map.delta()),
                       doctest::Contains("a measurement (3, 3, 4, 8)"), Error);
  CHECK_THROWS_WITH_AS(map.solve(x, x, context.planar({1, 1, 3, 3})),
                       doctest::Contains("expected (1, 1, 5, 5)"), Error);
}
