#include "kernels/vector_math.hpp"

#include <limits>

#include "tests/support/support.hpp"

using namespace tweedie;

namespace {
// Distance of `got` from `expected` in units of the last place of a float near `expected`.
double ulps(float got, double expected) {
  const double spacing = std::ldexp(1.0, std::max(std::ilogb(expected), -126) - 23);
  return std::abs(got - expected) / spacing;
}

// The largest distance over floats of every sign, exponent and a sample of mantissas.
template <class F, class Reference>
double worst_ulps(const F& f, const Reference& reference, float& where) {
  double worst = 0;
  for (std::uint64_t bits = 0; bits < (std::uint64_t(1) << 32); bits += 2039) {
    const float x = std::bit_cast<float>(std::uint32_t(bits));
    if (std::isnan(x)) continue;
    const double expected = reference(double(x));
    const float got = f(x), rounded = float(expected);
    if (got == rounded) continue;
    const double error = std::isinf(got) || std::isinf(rounded) ? 1e9 : ulps(got, expected);
    if (error > worst) {
      worst = error;
      where = x;
    }
  }
  return worst;
}
}  // namespace

TEST_CASE("fast_exp is within 2 ulp of exp over all floats") {
  float where = 0;
  const double worst =
      worst_ulps([](float x) { return fast_exp(x); }, [](double x) { return std::exp(x); }, where);
  CHECK_MESSAGE(worst <= 2, "worst ", worst, " ulp at ", where);
}

TEST_CASE("sigmoid is within 4 ulp over all floats whose sigmoid is a normal number") {
  float where = 0;
  // Below -87 exp(-x) nears the largest float and its reciprocal the smallest normal one.
  const double worst = worst_ulps([](float x) { return sigmoid(std::max(x, -87.0f)); },
                                  [](double x) { return 1 / (1 + std::exp(-std::max(x, -87.0))); }, where);
  CHECK_MESSAGE(worst <= 4, "worst ", worst, " ulp at ", where);
  CHECK(sigmoid(-1e30f) == 0);
  CHECK(sigmoid(1e30f) == 1);
}

TEST_CASE("fast_exp and sigmoid at the ends and at NaN") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  CHECK(fast_exp(0) == 1);
  CHECK(fast_exp(infinity) == infinity);
  CHECK(fast_exp(-infinity) == 0);
  CHECK(fast_exp(88.72f) < infinity);
  CHECK(fast_exp(88.73f) == infinity);
  CHECK(fast_exp(-103.9f) > 0);  // the smallest denormal number
  CHECK(fast_exp(-104.1f) == 0);
  CHECK(std::isnan(fast_exp(std::nanf(""))));
  CHECK(std::isnan(sigmoid(std::nanf(""))));
  CHECK(sigmoid(0) == 0.5f);
}
