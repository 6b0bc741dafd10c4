// Multistep integrators against the exact probability flow of a Gaussian, and how fast their errors fall.
#include "engine/multistep.hpp"

#include <cmath>

#include "engine/spectrum_prior.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;

namespace {

/// Levels that are even in log(sqrt(abar) / sqrt(1 - abar)), from -2.5 to 2.5.
Schedule even_levels(int intervals) {
  Schedule s;
  for (int i = 0; i <= intervals; ++i) {
    const double lambda = 2.5 - 5.0 * i / intervals;
    s.timesteps.push_back(i);
    s.alphas_cumprod.push_back(1 / (1 + std::exp(-2 * lambda)));
    s.alphas_cumprod_prev.push_back(i == 0 ? 1 : s.alphas_cumprod[std::size_t(i - 1)]);
    s.betas.push_back(1 - s.alphas_cumprod.back() / s.alphas_cumprod_prev.back());
  }
  return s;
}

}  // namespace

TEST_CASE("multistep integrators of the probability flow are of second and third order") {
  for (const Device device : test::backends()) {
    Context context(device, 1);
    SpectrumPrior prior(context, {{1.6e-3, 0, 0}, 0.1, 2.5});
    const Shape pixel{1, 1, 1, 1};
    const double S = prior.spectrum(pixel)[0];
    for (const auto& [method, order] : {std::pair{Method::dpmpp2, 2}, {Method::dpmpp3, 3}}) {
      double before = 0;
      for (const int intervals : {10, 20, 40}) {
        const Schedule schedule = even_levels(intervals);
        const double first = schedule.alphas_cumprod[0], last = schedule.alphas_cumprod.back();
        // x goes as the square root of abar S + 1 - abar; the last step is the estimate.
        const double v = first * S + 1 - first,
                     expected = std::sqrt(v / (last * S + 1 - last)) * std::sqrt(first) * S / v;
        ContextNoise silence(context);
        const Tensor one = context.upload(pixel, std::vector<float>{1});
        const double got = context.download(sample(
            context, prior, schedule, {method, Variance::fixed_small, 0, false}, one, nullptr, silence))[0];
        const double error = std::abs(got / expected - 1);
        MESSAGE(std::string(name(device)), ": order ", order, ", S ", S, ", ", intervals, " steps: off by ",
                error, ", ", before / error, " times less");
        if (intervals == 40) CHECK(before / error > 0.75 * std::pow(2, order));
        before = error;
      }
    }
  }
}
