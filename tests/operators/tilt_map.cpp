// Tilt maps: what their definition says of their statistics.
#include "operators/tilt_map.hpp"

#include <array>
#include <cmath>

#include "kernels/error.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {

TEST_CASE("tilt map: repeatable, and of its own for every seed") {
  const std::vector<float> map = tilt_map(96, 130, 1);
  CHECK(map.size() == std::size_t(2 * 96 * 130));
  CHECK(map == tilt_map(96, 130, 1));
  CHECK(map != tilt_map(96, 130, 2));
  double largest = 0;
  for (const float value : map) largest = std::max(largest, double(std::abs(value)));
  CHECK(largest > 1);
  CHECK(largest <= 2.5);
}

TEST_CASE("tilt map: spread and correlation inside are those of the definition") {
  // A pixel inside lies under 500 * 64^2 / 192^2 = 55.6 patches on average. Each adds s g * n with E[s^2] =
  // (0.1^2 + 0.1 0.4 + 0.4^2) / 3 = 0.07 and a variance of (sum g^2)^2 of the smoothed normals n, so that the
  // standard deviation is sqrt(55.6 * 0.07) * sum g^2 = 0.556. Neighbours correlate by sum g(i) g(i+1) / sum
  // g^2.
  double g[7], sum = 0, square = 0, lagged = 0;
  for (int k = -3; k <= 3; ++k) sum += g[k + 3] = std::exp(-0.5 * k * k);
  for (double& tap : g) tap /= sum;
  for (int k = 0; k < 7; ++k) square += g[k] * g[k];
  for (int k = 0; k < 6; ++k) lagged += g[k] * g[k + 1];
  const double expected = std::sqrt(500 * 4096.0 / (192 * 192) * 0.07) * square;
  for (const int size : {256, 64}) {
    CAPTURE(size);
    const int edge = size / 4;  // as far as the patches' centres keep away: all patches' places are inside
    double power = 0, neighbours = 0, cross = 0, count = 0;
    for (std::uint64_t seed = 0; seed < (size == 256 ? 2 : 30); ++seed) {
      const std::vector<float> map = tilt_map(size, size, seed);
      for (int channel = 0; channel < 2; ++channel)
        for (int row = edge; row < size - edge; ++row)
          for (int column = edge; column < size - edge; ++column) {
            const std::size_t at = std::size_t((channel * size + row) * size + column);
            power += double(map[at]) * map[at];
            neighbours += double(map[at]) * map[at + 1];
            if (channel == 0) cross += double(map[at]) * map[at + std::size_t(size * size)];
            ++count;
          }
    }
    // The random number of patches over a place makes the spread uncertain by some 3 %.
    if (size == 256) CHECK(std::abs(std::sqrt(power / count) / expected - 1) < 0.1);
    CHECK(std::abs(neighbours / power - lagged / square) < 0.02);
    CHECK(std::abs(cross) / power < 0.03);  // the two channels are independent
  }
}

namespace {

/// Standard deviation of pixels (h, w) of many maps, h and w in [from, to).
double deviation(int H, int W, int from, int to, int maps) {
  double squares = 0, count = 0;
  for (int seed = 0; seed < maps; ++seed) {
    const std::vector<float> map = tilt_map(H, W, std::uint64_t(seed));
    for (int channel = 0; channel < 2; ++channel)
      for (int h = from; h < std::min(to, H); ++h)
        for (int w = from; w < std::min(to, W); ++w) {
          const double here = map[std::size_t((channel * H + h) * W + w)];
          squares += here * here;
          count += 1;
        }
  }
  return std::sqrt(squares / count);
}

}  // namespace

TEST_CASE("tilt map: as strong and smooth at any size; only large ones are calmer at their borders") {
  const double expected = 0.556;  // derived above; its standard error here is some 3 %
  CHECK(deviation(256, 256, 0, 12, 3) < 0.5 * expected);
  for (const auto& [H, W, maps] : {std::array{40, 64, 20}, {300, 2, 40}, {100, 90, 5}, {1, 1, 2000}}) {
    CAPTURE(H);
    CHECK(deviation(H, W, 0, std::max(H, W), maps) == doctest::Approx(expected).epsilon(0.1));
  }
}

TEST_CASE("tilt maps: seeded, clipped, and their mistakes named") {
  const std::vector<float> map = tilt_map(30, 17, 7);
  CHECK(map.size() == 2 * 30 * 17);
  check_equal("the same seed", map, tilt_map(30, 17, 7));
  CHECK(map != tilt_map(30, 17, 8));
  CHECK(tilt_map(1, 1, 3).size() == 2);
  // The channels are drawn apart.
  CHECK(!std::equal(map.begin(), map.begin() + 30 * 17, map.begin() + 30 * 17));
  bool reached = false;
  for (const float d : tilt_map(80, 80, 1, {.patches = 500, .clip = 0.25})) {
    REQUIRE(std::abs(d) <= 0.25f);
    reached = reached || d == 0.25f;
  }
  CHECK(reached);
  for (const float d : tilt_map(20, 20, 1, {.weakest = 0, .strongest = 0})) REQUIRE(d == 0);
  CHECK_THROWS_WITH_AS(tilt_map(0, 4, 1), doctest::Contains("0 x 4 pixels"), Error);
  CHECK_THROWS_WITH_AS(tilt_map(4, 4, 1, {.weakest = 0.5, .strongest = 0.4}),
                       doctest::Contains("strength 0.5 to 0.4"), Error);
}

}  // namespace tweedie::test
