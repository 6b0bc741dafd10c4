// Tilt maps: what their definition says of their statistics.
#include "operators/tilt_map.hpp"

#include <cmath>

#include "kernels/error.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {

TEST_CASE("tilt map: repeatable, of its own for every seed, zero where no patch reaches") {
  const std::vector<float> map = tilt_map(96, 130, 1);
  CHECK(map.size() == std::size_t(2 * 96 * 130));
  CHECK(map == tilt_map(96, 130, 1));
  CHECK(map != tilt_map(96, 130, 2));
  CHECK_THROWS_AS(tilt_map(7, 64, 1), Error);
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

}  // namespace tweedie::test
