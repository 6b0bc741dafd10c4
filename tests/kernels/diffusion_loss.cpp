#include "kernels/diffusion_loss.hpp"

#include <cstring>

#include "kernels/diffusion_terms.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

// Rows of three timesteps: the first (decoder), one in the middle, one whose gradient runs through the mean.
std::vector<DiffusionLossRow> rows() {
  return {{.recip = 1.0001,
           .recipm1 = 0.0141,
           .coef1 = 1,
           .coef2 = 0,
           .log_beta = -6.2,
           .log_posterior = -7.1,
           .is_first = 1,
           .mse_weight = 0.5,
           .vb_weight = 0.7},
          {.recip = 1.8,
           .recipm1 = 1.5,
           .coef1 = 0.05,
           .coef2 = 0.94,
           .log_beta = -4.1,
           .log_posterior = -4.3,
           .mse_weight = 1.5,
           .vb_weight = 0.2},
          {.recip = 3.0,
           .recipm1 = 2.8,
           .coef1 = 0.04,
           .coef2 = 0.95,
           .log_beta = -3.9,
           .log_posterior = -4.0,
           .mse_weight = 0,
           .vb_weight = 2,
           .through_mean = 1}};
}

struct Problem {
  Shape s;
  bool learned;
  std::vector<float> x_start, x_t, noise, output;
  Problem(Shape shape, bool with_v)
      : s(shape),
        learned(with_v),
        x_start(random_values(s.size(), 1)),
        x_t(random_values(s.size(), 2, -2, 2)),
        noise(random_values(s.size(), 3, -2, 2)),
        output(random_values(s.size() * (with_v ? 2 : 1), 4, -1, 1)) {
    // At t = 0 the mean lies near x_start, as it does for a network that has learned something.
    for (std::int64_t i = 0; i < s.sample(); ++i) x_t[i] = x_start[i] + 0.01f * noise[i];
    x_start[0] = -1;
    x_start[1] = 1;
  }
  Shape out() const { return {s.N, s.C * (learned ? 2 : 1), s.H, s.W}; }
};

struct Result {
  std::vector<double> terms;
  std::vector<float> gradient;
};

Result run(Queue& q, const Problem& p, const std::vector<float>& output) {
  std::vector<double> table(std::size_t(p.s.N * diffusion_loss_fields));
  std::memcpy(table.data(), rows().data(), table.size() * sizeof(double));
  const DeviceArray<double> on_device(q, table), terms(q, 2 * p.s.N);
  const DeviceArray<float> x_start(q, p.x_start), x_t(q, p.x_t), noise(q, p.noise), from(q, output),
      gradient(q, std::int64_t(output.size()));
  diffusion_loss(q, gradient.view(p.out()), terms.view({p.s.N, 2, 1, 1}), from.view(p.out()),
                 x_start.view(p.s), x_t.view(p.s), noise.view(p.s),
                 on_device.view({p.s.N, diffusion_loss_fields, 1, 1}));
  return {terms.host(), gradient.host()};
}

// The textbook's KL between Gaussians, and the decoder
// from the distribution function itself.
std::vector<double> expected_terms(const Problem& p, const std::vector<float>& output) {
  std::vector<double> terms;
  const std::int64_t count = p.s.sample();
  for (int n = 0; n < p.s.N; ++n) {
    const DiffusionLossRow row = rows()[std::size_t(n)];
    double mse = 0, vb = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t at = n * count + i, out = n * count * (p.learned ? 2 : 1) + i;
      const double eps = output[out];
      mse += (p.noise[at] - eps) * (p.noise[at] - eps) / double(count);
      if (!p.learned) continue;
      const double f = (output[out + count] + 1.0) / 2;
      const double sigma = std::exp((f * row.log_beta + (1 - f) * row.log_posterior) / 2);
      const double x0 = row.recip * p.x_t[at] - row.recipm1 * eps;
      const double mean = row.coef1 * x0 + row.coef2 * p.x_t[at];
      double nats;
      if (row.is_first != 0) {
        const auto cdf = [&](double x) {
          const double z = (x - mean) / sigma;
          return 0.5 * (1 + std::tanh(std::sqrt(2 / M_PI) * (z + 0.044715 * z * z * z)));
        };
        const double x = p.x_start[at];
        const double low = x < -0.999 ? 0 : cdf(x - 1.0 / 255), high = x > 0.999 ? 1 : cdf(x + 1.0 / 255);
        nats = -std::log(std::max(high - low, 1e-12));
      } else {
        const double truth = std::exp(row.log_posterior / 2);
        const double true_mean = row.coef1 * p.x_start[at] + row.coef2 * p.x_t[at];
        nats = std::log(sigma / truth) +
               (truth * truth + (true_mean - mean) * (true_mean - mean)) / (2 * sigma * sigma) - 0.5;
      }
      vb += nats / std::log(2.0) / double(count);
    }
    terms.insert(terms.end(), {mse, vb});
  }
  return terms;
}

// What the gradient belongs to. Where it must not run through the mean, eps of vb is held at `fixed`.
double loss(const Problem& p, const std::vector<float>& output, const std::vector<float>& fixed) {
  const std::int64_t count = p.s.sample(), wide = count * (p.learned ? 2 : 1);
  std::vector<float> frozen = output;
  for (int n = 0; n < p.s.N; ++n)
    if (rows()[std::size_t(n)].through_mean == 0)
      std::copy_n(fixed.begin() + n * wide, count, frozen.begin() + n * wide);
  const std::vector<double> moving = expected_terms(p, output), held = expected_terms(p, frozen);
  double sum = 0;
  for (int n = 0; n < p.s.N; ++n) {
    const DiffusionLossRow row = rows()[std::size_t(n)];
    sum += row.mse_weight * moving[std::size_t(2 * n)] + row.vb_weight * held[std::size_t(2 * n + 1)];
  }
  return sum;
}

}  // namespace

TEST_CASE("diffusion_loss: terms against their definitions in double") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const bool learned : {false, true})
      for (const Shape& shape : {Shape{3, 3, 5, 7}, Shape{3, 1, 67, 65}}) {
        const Problem p(shape, learned);
        Result got;
        under_all_warp_orders(q, [&] {
          got = run(q, p, p.output);
          return got.gradient;
        });
        const std::vector<double> expected = expected_terms(p, p.output);
        // Both are sums in double; the decoder's differences of near-equal probabilities lose a few digits.
        for (std::size_t i = 0; i < expected.size(); ++i) {
          CAPTURE(message(name(d), " ", shape, learned ? " learned" : "", ", term ", i));
          CHECK(got.terms[i] == doctest::Approx(expected[i]).epsilon(1e-10));
        }
      }
  }
}

TEST_CASE("diffusion_loss: the gradient is the derivative of the weighted terms") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const bool learned : {false, true}) {
      const Problem p({3, 2, 4, 3}, learned);
      const std::vector<float> gradient = run(q, p, p.output).gradient;
      const std::vector<float> direction = random_values(std::int64_t(p.output.size()), 9);
      // One sample's direction at a time, so that none hides behind another.
      const std::size_t wide = p.output.size() / 3;
      for (std::size_t n = 0; n < 3; ++n) {
        std::vector<float> up = p.output, down = p.output;
        double along = 0, size = 0;
        constexpr float h = 1.f / 256;
        for (std::size_t i = n * wide; i < (n + 1) * wide; ++i) {
          up[i] += h * direction[i];
          down[i] -= h * direction[i];
          along += double(gradient[i]) * (double(up[i]) - down[i]);
          size += std::abs(double(gradient[i]) * (double(up[i]) - down[i]));
        }
        // The third derivative over a step of 4e-3 is what differs.
        CAPTURE(message(name(d), learned ? " learned" : "", ", sample ", n));
        CHECK(std::abs(loss(p, up, p.output) - loss(p, down, p.output) - along) <= 2e-4 * size);
      }
    }
  }
}

TEST_CASE("decoder_log_likelihood cuts probabilities at 1e-12, and its slope there is 0") {
  const DecoderLikelihood far = decoder_log_likelihood(0.5, -0.5, -5);
  CHECK(far.value == std::log(1e-12));
  CHECK(far.by_mean == 0);
  CHECK(far.by_log_scale == 0);
  CHECK(std::isnan(decoder_log_likelihood(0.5, NAN, -5).value));
}

TEST_CASE("q_sample mixes image and noise by each sample's factors") {
  for (const Device d : backends()) {
    Queue q(d);
    const Shape s{3, 2, 5, 7};
    const std::vector<float> x = random_values(s.size(), 1), noise = random_values(s.size(), 2);
    const std::vector<double> factors{0.9, 0.1, 0.5, 0.75, 0, 1};
    const DeviceArray<float> from(q, x), more(q, noise);
    const DeviceArray<double> table(q, factors);
    const auto got = under_all_warp_orders(q, [&] {
      const DeviceArray<float> to(q, s.size());
      q_sample(q, to.view(s), from.view(s), more.view(s), table.view({3, 2, 1, 1}));
      return to.host();
    });
    for (std::int64_t i = 0; i < s.size(); ++i) {
      const std::size_t n = std::size_t(i / s.sample());
      CHECK(got[i] == doctest::Approx(factors[2 * n] * x[i] + factors[2 * n + 1] * noise[i]).epsilon(1e-6));
    }
  }
}

TEST_CASE("diffusion_loss: wrong shapes are refused in one line") {
  for (const Device d : backends()) {
    Queue q(d);
    const DeviceArray<float> x(q, 12), out(q, 36);
    const DeviceArray<double> terms(q, 2), table(q, diffusion_loss_fields);
    const auto call = [&](Shape image, Shape output, int fields) {
      diffusion_loss(q, out.view(output), terms.view({1, 2, 1, 1}), out.view(output), x.view(image),
                     x.view(image), x.view(image), {table.data(), {1, fields, 1, 1}});
    };
    CHECK_THROWS_WITH_AS(call({1, 3, 2, 2}, {1, 9, 2, 2}, diffusion_loss_fields),
                         "diffusion_loss: planar output (1, 3 or 6, 2, 2) expected, got (1, 9, 2, 2) b=1",
                         Error);
    CHECK_THROWS_WITH_AS(
        q_sample(q, x.view({1, 3, 2, 2}), x.view({1, 3, 2, 2}), x.view({1, 3, 2, 2}),
                 {table.data(), {1, 3, 1, 1}}),
        "q_sample: planar images and factors (1, 2, 1, 1) expected, got b=1 and (1, 3, 1, 1)", Error);
  }
}
