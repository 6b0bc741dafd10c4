// A batch of samples gives each what it would get alone.
#include <algorithm>
#include <cmath>

#include "engine/solvers/solver.hpp"
#include "engine/spectrum_prior.hpp"
#include "operators/factory.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {
namespace {

constexpr Shape image{1, 3, 16, 24};

/// The result for samples with noise from these streams.
std::vector<float> result(Context& context, ForwardOperator& op, const Tensor& y, NoiseModel noise,
                          const SolverKind& kind, const std::string& sampler,
                          std::span<const std::uint64_t> streams) {
  SpectrumPrior prior(context);
  Likelihood likelihood(context, op, y, noise);
  const Schedule schedule = make_schedule("linear", 1000, "6");
  StreamNoise source(context, streams);
  Shape batch = image;
  batch.N = int(streams.size());
  Posterior posterior{context, prior, schedule, likelihood, batch, source};
  Settings settings(kind.name, kind.settings);
  if (settings.knows("zeta")) settings.set("zeta", 0.3);
  if (settings.knows("sampler")) settings.set("sampler", sampler);
  return context.download(solve(*kind.make(settings, posterior), posterior));
}

/// A solver that has done one step.
class Seen : public Solver {
 public:
  explicit Seen(TensorOf<double> misfit) : misfit_(std::move(misfit)) {}
  Tensor start(Posterior&) override { return {}; }
  Tensor step(Posterior&, Tensor x, int) override { return x; }
  const Tensor& estimate() const override { return estimate_; }
  const TensorOf<double>& misfit_squared() const override { return misfit_; }

 private:
  Tensor estimate_;
  TensorOf<double> misfit_;
};

}  // namespace

TEST_CASE("distance of a batch: the root of the mean, and not a number as soon as one is not") {
  Context context(Device::cpu);
  const auto of = [&](std::vector<double> squared) {
    TensorOf<double> misfit = context.per_sample(int(squared.size()));
    std::copy(squared.begin(), squared.end(), misfit.data());
    return distance(context, Seen(std::move(misfit)));
  };
  CHECK(of({9}) == 3);
  CHECK(of({1, 7}) == 2);
  CHECK(std::isnan(of({1, std::nan("")}).value()));
  CHECK(!distance(context, Seen({})));
}

// Sums over an image are in another order where a kernel shares work between samples: roundings, which six
// steps magnify. A batch of other noise, or of one that looks at its neighbours, is off by its own size.
TEST_CASE("every solver: a batch of three is three runs, to rounding") {
  for (const Device device : backends())
    for (const SolverKind* kind : solver_kinds()) {
      CAPTURE(std::string(name(device)));
      CAPTURE(std::string(kind->name));
      Context context(device, 1);
      const auto op = make_operator(context, {{"name", "super_resolution"}, {"scale_factor", 2}}, {});
      const NoiseModel noise{.sigma = 0.05};
      REQUIRE(!refusal(*kind, *op, noise, image));
      const Tensor y = op->forward(context.normal(image));
      const std::vector<std::uint64_t> streams{4, 9, 2};
      const bool walks = Settings(kind->name, kind->settings).knows("sampler");
      for (const std::string& sampler : walks ? sampler_names() : std::vector<std::string>{""}) {
        CAPTURE(sampler);
        const std::vector<float> together = result(context, *op, y, noise, *kind, sampler, streams);
        REQUIRE(together.size() == 3 * std::size_t(image.size()));
        for (std::size_t n = 0; n < 3; ++n) {
          const auto from = together.begin() + std::ptrdiff_t(n) * std::ptrdiff_t(image.size());
          check_close(message("sample ", n), {from, from + std::ptrdiff_t(image.size())},
                      result(context, *op, y, noise, *kind, sampler, std::span(streams).subspan(n, 1)), 1e-4);
        }
      }
    }
}

TEST_CASE("noise by streams: a sample's draws, of whatever kind and shape, are those of its stream") {
  Context context(Device::cpu, 7);
  const std::vector<std::uint64_t> streams{3, 1};
  StreamNoise both(context, streams);
  context.start_stream(5);
  Tensor a = context.planar({2, 1, 3, 5}), b = context.planar({4, 2, 1, 1}), c = context.planar({2, 1, 2, 2});
  both.normal(a, Draw::initial, 0, 0);
  both.uniform(b, 0, 0);
  both.measurement(c, 0);
  Context own(Device::cpu, 7);
  own.start_stream(5);
  check_equal("the context's own stream", context.download(context.normal({1, 1, 2, 2})),
              own.download(own.normal({1, 1, 2, 2})));
  for (std::size_t n = 0; n < 2; ++n) {
    Context alone(Device::cpu, 7);
    alone.start_stream(streams[n]);
    Tensor x = alone.planar({1, 1, 3, 5}), y = alone.planar({2, 2, 1, 1}), z = alone.planar({1, 1, 2, 2});
    alone.normal(x);
    alone.uniform(y);
    alone.normal(z);
    const auto part = [n](std::vector<float> whole) {
      const auto half = std::ptrdiff_t(whole.size() / 2);
      return std::vector<float>(whole.begin() + std::ptrdiff_t(n) * half,
                                whole.begin() + std::ptrdiff_t(n + 1) * half);
    };
    check_equal("initial", part(context.download(a)), alone.download(x));
    check_equal("uniform", part(context.download(b)), alone.download(y));
    check_equal("measurement", part(context.download(c)), alone.download(z));
  }
  Tensor three = context.planar({3, 1, 2, 2});
  CHECK_THROWS_WITH_AS(both.ancestral(three, 0), doctest::Contains("3 samples of 2 streams"), Error);
}

}  // namespace tweedie::test
