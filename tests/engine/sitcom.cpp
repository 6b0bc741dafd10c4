// SITCOM against its own steps in plain loops and double, pixel by pixel.
#include <cmath>

#include "engine/solvers/solver.hpp"
#include "kernels/elementwise.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

constexpr double S = 0.09;  // the prior's variance
constexpr Shape batch{3, 1, 4, 6};

/// Every pixel N(0, S) by itself: eps is a multiple of x.
class Pixels : public Denoiser {
 public:
  explicit Pixels(Context& context) : context_(context) {}
  static double gain(double bar) { return std::sqrt(1 - bar) / (bar * S + 1 - bar); }
  std::unique_ptr<Saved> make_saved() const override { return std::make_unique<Level>(); }
  Prediction forward(const Tensor& x, const NoiseLevel& level, Saved* saved) override {
    ++evaluations;
    if (saved) saved_as<Level>(*saved, "pixels").gain = gain(level.alphas_cumprod);
    return {scaled(x, gain(level.alphas_cumprod)), {}};
  }
  Tensor backward(const Tensor& deps, Saved& saved) override {
    return scaled(deps, saved_as<Level>(saved, "pixels").gain);
  }
  bool learns_variance() const override { return false; }
  int evaluations = 0;

 private:
  struct Level : Saved {
    double gain = 0;
  };
  Tensor scaled(const Tensor& x, double by) {
    Tensor y = context_.planar(x.shape());
    axpby(context_.queue, y, float(by), x, 0.f, x);
    return y;
  }
  Context& context_;
};

/// y = m x / 2, m one pixel in two.
class Half : public LinearOperator {
 public:
  explicit Half(Context& context) : context_(context) {
    std::vector<float> values(std::size_t(batch.sample()));
    for (std::size_t i = 0; i < values.size(); i += 2) values[i] = 0.5f;
    for (int n = 0; n < batch.N; ++n) all_.insert(all_.end(), values.begin(), values.end());
    weights_ = context.upload(batch, all_);
  }
  Shape output_shape(const Shape& image) const override { return image; }
  Tensor apply(const Tensor& x) override {
    Tensor y = context_.planar(x.shape());
    multiply(context_.queue, y, x, weights_);
    return y;
  }
  Tensor adjoint(const Tensor& y, const Shape&) override { return apply(y); }
  void discard_unmeasured(Tensor& y) override {
    std::vector<float> values = context_.download(y);
    for (std::size_t i = 0; i < values.size(); ++i)
      if (all_[i] == 0) values[i] = 0;
    y = context_.upload(y.shape(), values);
  }

 private:
  Context& context_;
  std::vector<float> all_;
  Tensor weights_;
};

/// The same numbers for whoever asks for the same draw.
struct Told : NoiseSource {
  explicit Told(Context& c) : context(c) {}
  static std::vector<float> values(int executed, Draw what) {
    std::vector<float> x =
        random_values(batch.size(), unsigned(executed + (what == Draw::initial ? 100 : 1)));
    return x;
  }
  void ancestral(View<float>, int) override { throw Error("not asked for"); }
  void measurement(View<float>, int) override { throw Error("not asked for"); }
  void uniform(View<float>, int, int) override { throw Error("not asked for"); }
  void normal(View<float> out, Draw what, int executed, int) override {
    copy(context.queue, out, context.upload(batch, values(executed, what)).view());
  }
  Context& context;
};

struct Reference {
  std::vector<double> x;
  int evaluations = 0;  ///< of the whole batch at once
};

Reference reference(const Schedule& schedule, const std::vector<float>& y, double sigma, int iterations,
                    double rate) {
  Reference r;
  for (const float v : Told::values(0, Draw::initial)) r.x.push_back(double(v));
  const std::size_t pixels = std::size_t(batch.sample());
  for (int executed = 0; executed < schedule.steps(); ++executed) {
    const std::size_t t = std::size_t(schedule.steps() - 1 - executed);
    const double bar = schedule.alphas_cumprod[t], next = schedule.alphas_cumprod_prev[t];
    const double slope = (1 - std::sqrt(1 - bar) * Pixels::gain(bar)) / std::sqrt(bar);
    int most = 0;
    const std::vector<float> z = Told::values(executed, Draw::step);
    for (int n = 0; n < batch.N; ++n) {
      std::vector<double> m(pixels), v(pixels), x0(pixels);
      for (int k = 0;; ++k) {
        double misfit = 0;
        for (std::size_t i = 0; i < pixels; ++i) {
          x0[i] = std::clamp(slope * r.x[std::size_t(n) * pixels + i], -1.0, 1.0);
          const double e = i % 2 == 0 ? double(y[std::size_t(n) * pixels + i]) - x0[i] / 2 : 0;
          misfit += e * e;
        }
        most = std::max(most, k + 1);
        if (k == iterations || misfit <= std::pow(sigma + 1e-3, 2) * double(pixels) / 2) break;
        for (std::size_t i = 0; i < pixels; ++i) {
          double& at = r.x[std::size_t(n) * pixels + i];
          const double e = i % 2 == 0 ? double(y[std::size_t(n) * pixels + i]) - x0[i] / 2 : 0;
          const double g = std::abs(slope * at) < 1 ? -2 * e / 2 * slope : 0;
          m[i] = 0.9 * m[i] + 0.1 * g;
          v[i] = 0.999 * v[i] + 0.001 * g * g;
          at -= rate * (m[i] / (1 - std::pow(0.9, k + 1))) /
                (std::sqrt(v[i] / (1 - std::pow(0.999, k + 1))) + 1e-8);
        }
      }
      for (std::size_t i = 0; i < pixels; ++i)
        r.x[std::size_t(n) * pixels + i] =
            std::sqrt(next) * x0[i] + std::sqrt(1 - next) * double(z[std::size_t(n) * pixels + i]);
    }
    r.evaluations += most;
  }
  return r;
}

}  // namespace

TEST_CASE("sitcom: the steps of plain loops in double, each sample until it is explained") {
  constexpr double sigma = 0.05, rate = 0.2;
  constexpr int iterations = 8;
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    Context context(device, 1);
    Pixels prior(context);
    Half op(context);
    // The samples' measurements are weak, medium and strong: they need more or fewer iterations.
    std::vector<float> truth = random_values(batch.size(), 5);
    for (std::size_t i = 0; i < truth.size(); ++i)
      truth[i] *= 0.1f * float(1 + 3 * (i / std::size_t(batch.sample())));
    const Tensor y = op.apply(context.upload(batch, truth));
    Likelihood likelihood(context, op, y, {.sigma = sigma});
    Told noise(context);
    const SolverKind& kind = solver_kind("sitcom");
    const Schedule schedule = schedule_of(kind, "linear", 1000, 6);
    Posterior posterior{context, prior, schedule, likelihood, batch, noise};
    Settings settings(kind.name, kind.settings);
    settings.set("iterations", std::int64_t(iterations));
    settings.set("rate", rate);
    const std::vector<float> found = context.download(solve(*kind.make(settings, posterior), posterior));
    const Reference expected = reference(schedule, context.download(y), sigma, iterations, rate);
    // Some levels end early, none at once for all: else stopping was not looked at.
    CHECK(expected.evaluations < 6 * (iterations + 1));
    CHECK(expected.evaluations > 12);
    CHECK(prior.evaluations == expected.evaluations);
    double worst = 0;
    for (std::size_t i = 0; i < found.size(); ++i)
      worst = std::max(worst, std::abs(double(found[i]) - expected.x[i]));
    // Images of order 1 after some 40 steps in float.
    CHECK(worst < 1e-5);
  }
}
