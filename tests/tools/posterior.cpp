// Mean, deviation and calibration of samples.
#include "tools/posterior.hpp"

#include <cmath>
#include <random>

#include "tests/support/support.hpp"

using namespace tweedie;

namespace {

Image normal(int channels, int side, double scale, std::mt19937_64& generator) {
  std::normal_distribution<double> draw(0, scale);
  Image image = uniform_image(channels, side, side, 0);
  for (float& v : image.data) v = float(draw(generator));
  return image;
}

}  // namespace

TEST_CASE("mean and deviation of samples, by hand") {
  const Image a{2, 1, 2, {1, 2, 3, 4}}, b{2, 1, 2, {3, 2, 7, 4}};
  const Image mean = mean_of({a, b});
  CHECK(mean.data == std::vector<float>{2, 2, 5, 4});
  const std::vector<float> deviation = deviation_of({a, b}, mean);
  // Variances 2 and 8 in the first pixel, 0 in the second.
  REQUIRE(deviation.size() == 2);
  CHECK(deviation[0] == doctest::Approx(std::sqrt(5.0)));
  CHECK(deviation[1] == 0);
  CHECK_THROWS_AS(mean_of({}), Error);
  CHECK_THROWS_AS(deviation_of({a}, a), Error);
}

TEST_CASE("coverage is the level for truth and samples of one distribution, with any number of samples") {
  std::mt19937_64 generator(3);
  constexpr int side = 100, channels = 3;
  for (const int count : {1, 2, 8, 19, 40}) {
    std::vector<Image> samples;
    for (int i = 0; i < count; ++i) samples.push_back(normal(channels, side, 1, generator));
    const Image truth = normal(channels, side, 1, generator);
    // A share of 30,000 independent pixels: standard deviation below 0.003; five of those.
    for (const double level : {0.5, 0.9}) CHECK(std::abs(coverage(samples, truth, level) - level) < 0.015);
  }
}

TEST_CASE("coverage tells samples that are too narrow, too wide or beside the truth") {
  std::mt19937_64 generator(4);
  std::vector<Image> narrow, wide, beside;
  for (int i = 0; i < 60; ++i) {
    narrow.push_back(normal(1, 100, 0.5, generator));
    wide.push_back(normal(1, 100, 2, generator));
    beside.push_back(normal(1, 100, 1, generator));
    for (float& v : beside.back().data) v += 3;
  }
  const Image truth = normal(1, 100, 1, generator);
  // Central intervals of N(0, s^2) hold erf(z s / sqrt 2) of N(0, 1): z = 0.6745 for 50 %, 1.645 for 90 %.
  CHECK(coverage(narrow, truth, 0.5) == doctest::Approx(0.264).epsilon(0.05));
  CHECK(coverage(narrow, truth, 0.9) == doctest::Approx(0.589).epsilon(0.05));
  CHECK(coverage(wide, truth, 0.5) == doctest::Approx(0.823).epsilon(0.05));
  CHECK(coverage(beside, truth, 0.9) < 0.15);
}
