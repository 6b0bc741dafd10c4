#include "engine/schedule.hpp"

#include <cmath>

#include "tests/support/support.hpp"

using namespace tweedie;

// Recorded schedules of guided-diffusion are held to in the verify tests; here the definitions themselves.
TEST_CASE("schedule: the posterior of x_{t-1} given x_t and x_0 is a product of Gaussians") {
  for (const char* name : {"linear", "cosine"}) {
    const Schedule s = make_schedule(name, 1000);
    REQUIRE(s.steps() == 1000);
    for (const std::size_t t : {std::size_t(1), std::size_t(10), std::size_t(500), std::size_t(998)}) {
      // q(x_{t-1} | x_0) = N(sqrt(p) x_0, 1 - p), q(x_t | x_{t-1}) = N(sqrt(1 - beta) x_{t-1}, beta)
      const double p = s.alphas_cumprod[t - 1], beta = s.betas[t];
      const double precision = 1 / (1 - p) + (1 - beta) / beta;
      CHECK(s.posterior_variance[t] == doctest::Approx(1 / precision).epsilon(1e-9));
      CHECK(s.posterior_mean_coef1[t] == doctest::Approx(std::sqrt(p) / (1 - p) / precision).epsilon(1e-9));
      CHECK(s.posterior_mean_coef2[t] ==
            doctest::Approx(std::sqrt(1 - beta) / beta / precision).epsilon(1e-9));
    }
    CHECK(s.posterior_log_variance_clipped[0] == s.posterior_log_variance_clipped[1]);
  }
}

TEST_CASE("schedule: respacing keeps the signal level of the steps it keeps") {
  const Schedule all = make_schedule("linear", 1000), some = make_schedule("linear", 1000, "20");
  REQUIRE(some.steps() == 20);
  CHECK(some.timesteps.front() == 0);
  CHECK(some.timesteps.back() == 999);
  for (int i = 0; i < 20; ++i) {
    const std::size_t k = std::size_t(i);
    CHECK(some.alphas_cumprod[k] ==
          doctest::Approx(all.alphas_cumprod[std::size_t(some.timesteps[k])]).epsilon(1e-12));
  }
  CHECK(make_schedule("linear", 1000, "10,15,20").steps() == 45);
  const Schedule ddim = make_schedule("linear", 1000, "ddim50");
  CHECK(ddim.steps() == 50);
  CHECK(ddim.timesteps[1] == 20);
}

TEST_CASE("schedule: what does not fit is refused") {
  CHECK_THROWS_WITH_AS(make_schedule("quadratic", 1000), doctest::Contains("quadratic"), Error);
  CHECK_THROWS_WITH_AS(make_schedule("linear", 100, "101"), doctest::Contains("cannot give 101"), Error);
  CHECK_THROWS_WITH_AS(make_schedule("linear", 1000, "ddim600"), doctest::Contains("600"), Error);
  CHECK_THROWS_WITH_AS(make_schedule("linear", 1000, "20,x"), doctest::Contains("20,x"), Error);
  CHECK_THROWS_AS(make_schedule("linear", 0), Error);
}
