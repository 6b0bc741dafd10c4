#include "kernels/random.hpp"

#include <algorithm>
#include <array>
#include <numbers>

#include "kernels/philox.hpp"
#include "tests/cases/elementwise.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {
namespace {

using Draw = void (*)(Queue&, View<float>, std::uint64_t, std::uint64_t);

std::vector<float> draw(Queue& q, Draw distribution, Shape shape, int b, std::uint64_t seed,
                        std::uint64_t offset) {
  return under_all_warp_orders(q, [&] {
    DeviceArray<float> y(q, shape.size());
    distribution(q, y.view(shape, b), seed, offset);
    return from_blocks(y.host(), shape, b);
  });
}

std::vector<float> cpu_sample(Draw distribution, int count, std::uint64_t seed = 1,
                              std::uint64_t offset = 0) {
  Queue q(Device::cpu);
  std::vector<float> values(std::size_t(count), std::nanf(""));
  distribution(q, {values.data(), {1, 1, 1, count}}, seed, offset);
  return values;
}

/// What the radius is made from: the centre of one of 2^32 cells of (0, 1], as a float.
double radius_uniform(std::uint32_t bits) { return float((double(float(bits)) + 0.5) / 4294967296.); }

/// sqrt(n) times the largest distance between the sample's distribution function and `cdf`.
double kolmogorov_smirnov(std::vector<float> sample, double (*cdf)(double)) {
  std::sort(sample.begin(), sample.end());
  const double n = double(sample.size());
  double distance = 0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const double expected = cdf(sample[i]);
    distance = std::max({distance, expected - double(i) / n, double(i + 1) / n - expected});
  }
  return std::sqrt(n) * distance;
}

// Exceeded by chance with probability 1e-5 (2 exp(-2 d^2)); the seeds are fixed, so a pass stays a pass.
constexpr double ks_limit = 2.47;

}  // namespace

TEST_CASE("random: Philox gives the known answers of its authors") {
  // Salmon et al., Random123 distribution, file kat_vectors: philox4x32 with 10 rounds.
  struct Answer {
    std::array<std::uint32_t, 4> counter;
    std::array<std::uint32_t, 2> key;
    std::array<std::uint32_t, 4> block;
  };
  constexpr std::uint32_t ones = 0xffffffff;
  const Answer answers[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{ones, ones, ones, ones}, {ones, ones}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  const auto join = [](std::uint32_t low, std::uint32_t high) { return std::uint64_t(high) << 32 | low; };
  for (const Answer& a : answers) {
    const philox::Block got = philox::block(join(a.counter[0], a.counter[1]),
                                            join(a.counter[2], a.counter[3]), join(a.key[0], a.key[1]));
    for (std::size_t i = 0; i < 4; ++i) CHECK(got.lane[i] == a.block[i]);
  }
}

TEST_CASE("random: element i is lane i%4 of counter offset + i/4, in every layout") {
  const std::uint64_t seed = 0x123456789abcdef0, offset = 0xfffffffe;  // the counter's lower half overflows
  for (const Device device : backends()) {
    Queue q(device);
    for (const cases::MapCase& row : cases::maps_small) {
      const std::size_t size = std::size_t(row.shape.size());
      std::vector<float> uniforms(size);
      std::vector<double> normals(size);
      for (std::size_t i = 0; i < size; ++i) {
        const philox::Block bits = philox::block(offset + i / 4, 0, seed);
        uniforms[i] = float(double(bits.lane[i % 4] >> 8) / (1 << 24));
        // Box and Muller's formula in double; the angle counts from its quarter's middle.
        const double u = radius_uniform(bits.lane[i % 4 / 2 * 2]);
        const std::uint32_t a = bits.lane[i % 4 / 2 * 2 + 1];
        const double angle = 2 * std::numbers::pi * (double(a) / 4294967296. - 0.125);
        normals[i] = std::sqrt(-2 * std::log(u)) * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
      }
      const std::string what = message(name(device), ' ', row.shape, " b=", row.b);
      check_equal("uniform on " + what, draw(q, uniform, row.shape, row.b, seed, offset), uniforms);
      // Five roundings of 6e-8 of the largest value, where ln u, its root and the angle each are near worst.
      check_close("normal on " + what, draw(q, normal, row.shape, row.b, seed, offset), normals, 5e-7);
    }
  }
}

TEST_CASE("random: the same bits on every backend") {
  const Shape shape{1, 3, 613, 577};  // more than one wave of GPU threads
  const std::vector<float> normals = cpu_sample(normal, int(shape.size()), 77, 5);
  const std::vector<float> uniforms = cpu_sample(uniform, int(shape.size()), 77, 5);
  for (const Device device : backends()) {
    Queue q(device);
    DeviceArray<float> y(q, shape.size());
    normal(q, y.view(shape), 77, 5);
    check_equal(message("normal on ", name(device)), y.host(), normals);
    uniform(q, y.view(shape), 77, 5);
    check_equal(message("uniform on ", name(device)), y.host(), uniforms);
  }
}

TEST_CASE("random: extreme bits stay finite and in range") {
  for (const std::uint32_t r :
       {0u, 1u, 127u, 128u, 0x7fffffffu, 0x80000000u, 0xffffff7fu, 0xffffff80u, 0xffffffffu})
    for (const std::uint32_t a :
         {0u, 0x1fffffffu, 0x20000000u, 0x3fffffffu, 0x40000000u, 0xbfffffffu, 0xffffffffu}) {
      const philox::Pair pair = philox::normals(r, a);
      const double radius = std::hypot(double(pair.first), double(pair.second));
      CHECK(radius == doctest::Approx(std::sqrt(-2 * std::log(radius_uniform(r)))).epsilon(1e-6));
    }
  CHECK(philox::normals(0, 0x20000000).first == doctest::Approx(std::sqrt(66 * std::log(2.))));
  CHECK(philox::unit(0) == 0);
  CHECK(philox::unit(0xffffffff) == 1 - 0x1p-24f);
}

TEST_CASE("random: the logarithm within 3e-7 of itself, from the smallest u to 1") {
  double worst = 0;
  for (float u = 0x1p-33f; u < 1; u *= 1.0001f) {
    const double exact = std::log(double(u));
    worst = std::max(worst, std::abs(philox::logarithm(u) / exact - 1));
  }
  for (int k = 1; k < 1000; ++k) {
    const float u = 1 - float(k * k) * 0x1p-24f;  // next to 1, where the logarithm is small
    worst = std::max(worst, std::abs(philox::logarithm(u) / std::log(double(u)) - 1));
  }
  CHECK(worst < 3e-7);
  CHECK(philox::logarithm(1) == 0);
}

TEST_CASE("random: moments, tails and distribution of 10 million normals") {
  const std::vector<float> sample = cpu_sample(normal, 10'000'000, 2024);
  const double n = double(sample.size());
  double moment[5] = {};
  for (const float value : sample) {
    double power = 1;
    for (double& m : moment) {
      m += power / n;
      power *= value;
    }
  }
  // Five standard errors: the variance of x^k is (2k-1)!! - E[x^k]^2 = 1, 2, 15, 96.
  CHECK(std::abs(moment[1]) < 5 / std::sqrt(n));
  CHECK(std::abs(moment[2] - 1) < 5 * std::sqrt(2 / n));
  CHECK(std::abs(moment[3]) < 5 * std::sqrt(15 / n));
  CHECK(std::abs(moment[4] - 3) < 5 * std::sqrt(96 / n));
  const auto [low, high] = std::minmax_element(sample.begin(), sample.end());
  // 34 values beyond 4.5 are expected on each side; beyond 6.5, 0.0004.
  CHECK(*high > 4.5f);
  CHECK(*low < -4.5f);
  CHECK(*high < 6.5f);
  CHECK(*low > -6.5f);
  CHECK(kolmogorov_smirnov(sample, [](double x) { return std::erfc(-x / std::sqrt(2.)) / 2; }) < ks_limit);
}

TEST_CASE("random: range and distribution of 10 million uniforms") {
  const std::vector<float> sample = cpu_sample(uniform, 10'000'000, 9);
  const auto [low, high] = std::minmax_element(sample.begin(), sample.end());
  CHECK(*low >= 0);
  CHECK(*low < 1e-5f);
  CHECK(*high < 1);
  CHECK(*high > 1 - 1e-5f);
  CHECK(kolmogorov_smirnov(sample, [](double x) { return x; }) < ks_limit);
}

TEST_CASE("random: lanes, neighbours, seeds and offsets are independent") {
  const int count = 4'000'000;
  const std::vector<float> a = cpu_sample(normal, count, 1), b = cpu_sample(normal, count, 2);
  const std::vector<float> next = cpu_sample(normal, count, 1, random_counters(count));
  const auto correlation = [](const std::vector<float>& x, const std::vector<float>& z, std::size_t stride,
                              std::size_t i, std::size_t j, int power) {
    double sum = 0, squares_x = 0, squares_z = 0, terms = 0;
    for (std::size_t k = 0; k + stride + 4 <= x.size(); k += stride) {
      // Squares are compared less their mean: the two of a Box-Muller pair share their radius.
      const double u = power == 1 ? x[k + i] : double(x[k + i]) * x[k + i] - 1;
      const double v = power == 1 ? z[k + j] : double(z[k + j]) * z[k + j] - 1;
      sum += u * v;
      squares_x += u * u;
      squares_z += v * v;
      terms += 1;
    }
    return sum / std::sqrt(squares_x * squares_z) * std::sqrt(terms);  // in standard errors
  };
  for (const int power : {1, 2}) {
    for (std::size_t i = 0; i < 4; ++i)
      for (std::size_t j = i + 1; j < 8; ++j) {
        INFO("lanes ", i, " and ", j, " power ", power);
        CHECK(std::abs(correlation(a, a, 4, i, j, power)) < 5);
      }
    CHECK(std::abs(correlation(a, b, 1, 0, 0, power)) < 5);
    CHECK(std::abs(correlation(a, next, 1, 0, 0, power)) < 5);
  }
}

TEST_CASE("random: draws continue where the last one ended") {
  CHECK(random_counters(0) == 0);
  CHECK(random_counters(1) == 1);
  CHECK(random_counters(8) == 2);
  const std::vector<float> all = cpu_sample(normal, 5000, 3, 10);
  const std::vector<float> tail = cpu_sample(normal, 3000, 3, 10 + random_counters(2000));
  check_equal("second draw", tail, std::vector<float>(all.begin() + 2000, all.end()));
}

TEST_CASE("random: a view that starts between 16-byte boundaries") {
  const std::vector<float> expected = cpu_sample(normal, 21, 8);
  for (const Device device : backends()) {
    Queue q(device);
    DeviceArray<float> y(q, 22);
    normal(q, {y.data() + 1, {1, 1, 3, 7}}, 8, 0);
    const std::vector<float> got = y.host();
    CHECK(std::isnan(got[0]));
    check_equal(name(device), std::vector<float>(got.begin() + 1, got.end()), expected);
  }
}

TEST_CASE("random: mistakes are named") {
  for (const Device device : backends()) {
    Queue q(device);
    DeviceArray<float> y(q, 24);
    CHECK_THROWS_WITH_AS(normal(q, y.view({1, 6, 2, 2}, 4), 1, 0),
                         "normal: blocks of 4 do not divide 6 channels", Error);
    CHECK_THROWS_WITH_AS(uniform(q, y.view({1, 6, 2, 2}, 0), 1, 0),
                         "uniform: blocks of 0 do not divide 6 channels", Error);
  }
}

}  // namespace tweedie::test
