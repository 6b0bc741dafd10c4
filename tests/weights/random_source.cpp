// Random weights: reproducible, independent of the order they are asked for, of the scale networks start
// with.
#include "weights/random_source.hpp"

#include <algorithm>
#include <cmath>

#include "tests/weights/crafted.hpp"

using namespace tweedie;

TEST_CASE("the same seed, key and shape give the same values in any order") {
  RandomSource first(3);
  RandomSource second(3);
  const std::vector<float> a = first.read("a.weight", {8, 4});
  const std::vector<float> b = first.read("b.weight", {8, 4});
  CHECK(second.read("b.weight", {8, 4}) == b);
  CHECK(second.read("a.weight", {8, 4}) == a);
  CHECK(a != b);
  CHECK(RandomSource(4).read("a.weight", {8, 4}) != a);
}

TEST_CASE("norms start at 1, biases at 0, the rest uniform in +-1/sqrt(fan_in)") {
  RandomSource source;
  const WeightScope scope = WeightScope(source).sub("x");
  CHECK(scope.has("anything"));
  CHECK(scope.read("norm.weight", {3}) == std::vector<float>{1, 1, 1});
  CHECK(scope.read("bias", {2}) == std::vector<float>{0, 0});
  const std::vector<float> w = scope.read("weight", {512, 16, 3, 3});
  const double bound = 1 / std::sqrt(16 * 9.0);
  double sum = 0;
  double squares = 0;
  double largest = 0;
  for (const float v : w) {
    sum += v;
    squares += static_cast<double>(v) * v;
    largest = std::max(largest, std::abs(static_cast<double>(v)));
  }
  const double n = static_cast<double>(w.size());
  CHECK(largest <= bound);
  CHECK(largest > 0.999 * bound);
  // Five standard errors of the mean and of the variance of a uniform distribution.
  CHECK(std::abs(sum / n) < 5 * bound / std::sqrt(3 * n));
  CHECK(std::abs(squares / n - bound * bound / 3) < 5 * bound * bound * std::sqrt(4.0 / 45 / n));
}

TEST_CASE("extents are printed and counted, with limits") {
  CHECK(to_string(Extents{}) == "()");
  CHECK(to_string(Extents{64, 3}) == "(64, 3)");
  CHECK(element_count({}) == 1);
  CHECK(element_count({4, 0, 5}) == 0);
  test::check_says(test::error_of([] {
                     element_count({std::int64_t{1} << 40, std::int64_t{1} << 40});
                   }),
                   "too many");
  test::check_says(test::error_of([] { element_count({-1}); }), "negative extent");
}
