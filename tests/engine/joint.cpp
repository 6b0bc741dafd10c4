// Joint sampling of several unknowns: charts, gradients against differences of the misfit, DPS as its case of
// one unknown.
#include "engine/joint.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/guidance.hpp"
#include "tests/engine/guidance_case.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Values = std::vector<float>;

/// y[n, c] = x[n, c] + 40 m[n] x[n, c], of an image x (N, C, H, W) and a kernel m (N or 1, 1, H, W); in
/// double, on the host.
class Weighted : public ForwardOperator {
 public:
  explicit Weighted(Context& context) : context_(context) {}
  int unknowns() const override { return 2; }
  Shape output_shape(std::span<const Shape> u) const override { return u[0]; }
  std::unique_ptr<Saved> make_saved() const override { return std::make_unique<At>(); }
  Tensor forward(Unknowns u, Saved* saved) override {
    At at{{}, u[0].shape(), u[1].shape(), wide(context_.download(u[0])), wide(context_.download(u[1]))};
    Wide y(at.x.size());
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = at.x[i] * (1 + 40 * at.m[at.kernel(i)]);
    if (saved) saved_as<At>(*saved, "weighted") = at;
    return context_.upload(at.image, narrow(y));
  }
  void backward(std::span<Tensor* const> du, const Tensor& dy, Saved& saved) override {
    const At& at = saved_as<At>(saved, "weighted");
    const Wide on_y = wide(context_.download(dy));
    Wide dx(at.x.size()), dm(at.m.size(), 0.0);
    for (std::size_t i = 0; i < dx.size(); ++i) {
      dx[i] = on_y[i] * (1 + 40 * at.m[at.kernel(i)]);
      dm[at.kernel(i)] += 40 * on_y[i] * at.x[i];
    }
    *du[0] = context_.upload(at.image, narrow(dx));
    *du[1] = context_.upload(at.weights, narrow(dm));
  }
  using ForwardOperator::backward;
  using ForwardOperator::forward;

 private:
  struct At : Saved {
    At() = default;
    At(Saved, Shape i, Shape w, Wide xs, Wide ms)
        : image(i), weights(w), x(std::move(xs)), m(std::move(ms)) {}
    Shape image, weights;
    Wide x, m;
    std::size_t kernel(std::size_t i) const {
      const std::size_t plane = std::size_t(image.plane());
      return (weights.N == 1 ? 0 : i / std::size_t(image.sample()) * plane) + i % plane;
    }
  };
  Context& context_;
};

/// eps[i] = sqrt(1 - abar) x[i] + 0.2 x[i + 1], the next value in memory and 0 after the last: that of unit
/// normals, and a Jacobian that is not its own transpose.
class Leaning : public Denoiser {
 public:
  struct At : Saved {
    double own = 0;
  };
  explicit Leaning(Context& context) : context_(context) {}
  std::unique_ptr<Saved> make_saved() const override { return std::make_unique<At>(); }
  Prediction forward(const Tensor& x, const NoiseLevel& level, Saved* saved) override {
    const double own = std::sqrt(1 - level.alphas_cumprod);
    if (saved) saved_as<At>(*saved, "leaning").own = own;
    const Wide at = wide(context_.download(x));
    Wide eps;
    for (std::size_t i = 0; i < at.size(); ++i)
      eps.push_back(own * at[i] + (i + 1 < at.size() ? 0.2 * at[i + 1] : 0));
    return {context_.upload(x.shape(), narrow(eps)), {}};
  }
  Tensor backward(const Tensor& deps, Saved& saved) override {
    const double own = saved_as<At>(saved, "leaning").own;
    const Wide at = wide(context_.download(deps));
    Wide dx;
    for (std::size_t i = 0; i < at.size(); ++i) dx.push_back(own * at[i] + (i > 0 ? 0.2 * at[i - 1] : 0));
    return context_.upload(deps.shape(), narrow(dx));
  }
  bool learns_variance() const override { return false; }

 private:
  Context& context_;
};

constexpr Shape image{2, 3, 6, 8};
constexpr int index = 3, executed = 6;  // of ten steps

WalkerOptions options_of(const char* name, StepRule rule, double clip, Sparsity few = {},
                         bool on_simplex = false) {
  return {name, rule, clip, few, on_simplex};
}

/// An image and a kernel on their way.
struct Pair {
  explicit Pair(Device device, int kernels, StepRule image_rule, StepRule kernel_rule, Sparsity few = {},
                bool kernel_has_prior = true)
      : context(device, 9), prior(context), op(context), noise(context), chart(context) {
    walkers.reserve(2);
    walkers.emplace_back(context, options_of("image", image_rule, 1), &prior, nullptr, schedule, options,
                         noise);
    walkers.emplace_back(context, options_of("kernel", kernel_rule, 0.8, few, !kernel_has_prior),
                         kernel_has_prior ? &prior : nullptr, kernel_has_prior ? &chart : nullptr, schedule,
                         options, noise);
    shapes = {image, {kernels, 1, 6, 8}};
    y = context.upload(image, random_values(image.size(), 1));
  }
  /// One step from these states; the misfit |y - A| of the samples together with the sparsity, in double.
  double step(const std::array<Values, 2>& states) {
    context.start_stream(3);
    for (std::size_t k = 0; k < 2; ++k) walkers[k].x = context.upload(shapes[k], states[k]);
    JointMisfit misfit(context, op, y);
    misfit.step(walkers, index, executed);
    double sum = 0;
    for (const double squared : context.download(misfit.distance_squared())) sum += std::sqrt(squared);
    const Sparsity& few = walkers[1].options().sparsity;
    for (const float x0 : context.download(walkers[1].evaluation().x0)) {
      const double u = (double(x0) + 1) / 2;
      sum += few.weight * (few.order == 1 ? u : u * u / (u * u + few.width * few.width));
    }
    return sum;
  }
  Values gradient(std::size_t k) { return context.download(walkers[k].gradient()); }
  Values state(std::size_t k) { return context.download(walkers[k].x); }

  Context context;
  Leaning prior;
  Weighted op;
  ContextNoise noise;
  SimplexChart chart;
  const Schedule schedule = make_schedule("linear", 1000, "10");
  const SamplerOptions options{Method::ddpm, Variance::fixed_small, 0, true};
  std::vector<Walker> walkers;
  std::array<Shape, 2> shapes;
  Tensor y;
};

std::array<Values, 2> states(const Pair& pair) {
  return {random_values(image.size(), 2, -1.5f, 1.5f), random_values(pair.shapes[1].size(), 3, -1.5f, 1.5f)};
}

}  // namespace

TEST_CASE("charts: values and gradients, and the simplex holds its kernels") {
  for (const Device device : backends()) {
    Context context(device, 1, true);
    {
      const Shape s{3, 1, 5, 6};
      const Values x = random_values(s.size(), 1);
      SimplexChart simplex(context);
      ClipChart clip(context, 0.5);
      for (Chart* const chart : {static_cast<Chart*>(&simplex), static_cast<Chart*>(&clip)})
        // Limits at +-0.5 are crossed by few values within the step, each a part in a hundred of one value.
        check_vjp(
            "chart",
            [&](const Values& at) { return context.download(chart->forward(context.upload(s, at))); },
            [&](const Values& dy) {
              const auto saved = chart->make_saved();
              chart->forward(context.upload(s, x), saved.get());
              return context.download(chart->backward(context.upload(s, dy), *saved));
            },
            x, 1e-3, 1e-4);
      const Values kernels = context.download(simplex.forward(context.upload(s, x)));
      for (int n = 0; n < 3; ++n) {
        double sum = 0;
        for (int i = 0; i < 30; ++i) {
          CHECK(kernels[std::size_t(30 * n + i)] >= 0);
          sum += kernels[std::size_t(30 * n + i)];
        }
        CHECK(std::abs(sum - 1) < 1e-6);
      }
      const Values limited = context.download(clip.forward(context.upload(s, x)));
      for (std::size_t i = 0; i < x.size(); ++i) CHECK(limited[i] == std::min(std::max(x[i], -0.5f), 0.5f));
      CHECK_THROWS_WITH_AS(ClipChart(context, 0), doctest::Contains("a limit of 0"), Error);
    }
    CHECK(context.pool.damaged_guards() == 0);
  }
}

TEST_CASE("joint sampling: gradients of both states are those of the misfit, clipped, charted and sparse") {
  for (const Device device : backends())
    for (const int kernels : {1, 2})
      for (const Sparsity few : {Sparsity{}, Sparsity{0.05, 1}, Sparsity{0.05, 0, 0.3}}) {
        CAPTURE(kernels);
        CAPTURE(few.weight);
        CAPTURE(few.order);
        Pair pair(device, kernels, {}, {}, few);
        const std::array<Values, 2> at = states(pair);
        pair.step(at);
        const Values clipped = pair.context.download(pair.walkers[1].evaluation().x0);
        CHECK(*std::max_element(clipped.begin(), clipped.end()) == 0.8f);  // some is clipped, some is not
        const std::array<Values, 2> gradient{pair.gradient(0), pair.gradient(1)};
        for (std::size_t k = 0; k < 2; ++k) {
          CAPTURE(k);
          const Values direction = random_values(std::int64_t(at[k].size()), 7);
          const double h = 2e-3;
          const auto moved = [&](double by) {
            std::array<Values, 2> there = at;
            for (std::size_t i = 0; i < there[k].size(); ++i) there[k][i] += float(by * direction[i]);
            return pair.step(there);
          };
          const double difference = (moved(h) - moved(-h)) / (2 * h);
          double product = 0, size = 0;
          for (std::size_t i = 0; i < direction.size(); ++i) {
            product += double(gradient[k][i]) * direction[i];
            size += std::abs(double(gradient[k][i]) * direction[i]);
          }
          // Float evaluations of a misfit of about 20 over 2 h, and what is about to be clipped within the
          // step.
          CHECK(std::abs(difference - product) < 0.02 * size);
        }
      }
}

TEST_CASE(
    "joint sampling: states move by their own rules, from samples of their own, in the order of draws") {
  for (const Device device : backends()) {
    const StepRule none{StepRule::Kind::constant, 0};
    Pair still(device, 2, none, none);
    const std::array<Values, 2> at = states(still);
    still.step(at);
    // Without guidance each is the prior's ancestral step, with draws in the order image, kernel.
    still.context.start_stream(3);
    for (std::size_t k = 0; k < 2; ++k) {
      Step step(still.context, still.schedule, still.options, still.noise, index, executed,
                still.context.upload(still.shapes[k], at[k]));
      step.evaluate(still.prior, k == 0 ? 1 : 0.8, false);
      const Tensor draw = still.context.normal(still.shapes[k]);
      check_equal("unguided", still.state(k), still.context.download(propose(step, draw)));
    }
    Pair guided(device, 2, {StepRule::Kind::constant, 0.3}, {StepRule::Kind::sqrt_abar, 2});
    guided.step(at);
    const double bar = guided.schedule.alphas_cumprod[index];
    for (std::size_t k = 0; k < 2; ++k) {
      Wide expected = wide(still.state(k));
      const Values gradient = guided.gradient(k);
      double size = 0;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        expected[i] -= (k == 0 ? 0.3 : 2 * std::sqrt(bar)) * gradient[i];
        size += std::abs(double(gradient[i]));
      }
      CHECK(size > 0.1);
      check_close("guided", guided.state(k), expected, 1e-6);
    }
  }
}

TEST_CASE("joint sampling: with one walker it is DPS, bit by bit") {
  for (const Device device : backends()) {
    GuidanceCase c(device, 5);
    const Values x = random_values(c.image.size(), 4, -2, 2);
    ContextNoise noise(c.context);
    DpsGuidance guidance(c.context, *c.likelihood, 0.7);
    c.context.start_stream(2);
    Step step(c.context, c.schedule, c.options, noise, 5, 4, c.context.upload(c.image, x));
    const Values expected = c.context.download(sample_step(step, c.prior, &guidance));
    std::vector<Walker> walkers;
    walkers.emplace_back(c.context, options_of("image", {StepRule::Kind::constant, 0.7}, 1), &c.prior,
                         nullptr, c.schedule, c.options, noise);
    walkers[0].x = c.context.upload(c.image, x);
    JointMisfit misfit(c.context, c.op, c.y);
    c.context.start_stream(2);
    misfit.step(walkers, 5, 4);
    check_equal("state", c.context.download(walkers[0].x), expected);
    CHECK(c.context.download(misfit.distance_squared()) == c.context.download(guidance.distance_squared()));
  }
}

TEST_CASE("joint sampling: a kernel without a prior is projected after its step, and draws nothing") {
  for (const Device device : backends()) {
    Pair pair(device, 1, {}, {StepRule::Kind::constant, 0.01}, {}, false);
    std::array<Values, 2> at = states(pair);
    at[1].assign(48, 1 / 48.f);
    pair.step(at);
    const Values kernel = pair.state(1), gradient = pair.gradient(1);
    // The nearest point with sum 1: what was subtracted is the same for all that stay above 0.
    double sum = 0, shift = 0;
    for (std::size_t i = 0; i < 48; ++i) {
      sum += kernel[i];
      REQUIRE(kernel[i] >= 0);
      if (kernel[i] > 0) shift = 1 / 48.0 - 0.01 * gradient[i] - kernel[i];
    }
    CHECK(std::abs(sum - 1) < 1e-6);
    for (std::size_t i = 0; i < 48; ++i)
      CHECK(kernel[i] == doctest::Approx(std::max(0.0, 1 / 48.0 - 0.01 * gradient[i] - shift)).epsilon(1e-4));
    // A whole run, from a fresh start: it draws for the image alone.
    for (std::size_t k = 0; k < 2; ++k) pair.walkers[k].x = pair.context.upload(pair.shapes[k], at[k]);
    JointMisfit misfit(pair.context, pair.op, pair.y);
    int called = 0;
    pair.context.start_stream(5);
    joint_sample(pair.walkers, misfit, [&](int executed) { return ++called, executed < 7; });
    CHECK(called == 8);
    const Tensor after = pair.context.normal(image);
    pair.context.start_stream(5);
    Tensor again;
    for (int i = 0; i < 9; ++i) again = pair.context.normal(image);
    check_equal("draws", pair.context.download(after), pair.context.download(again));
  }
}

TEST_CASE("joint sampling: what is shown of a state is clipped and on the simplex") {
  Pair pair(Device::cpu, 2, {}, {});
  const Values state = random_values(96, 3, -1.5f, 1.5f);
  const Values shown =
      pair.context.download(pair.walkers[1].physical(pair.context.upload(pair.shapes[1], state)));
  Wide u;
  for (const float v : state)
    u.push_back((1 + std::min(std::max(double(v), -double(0.8f)), double(0.8f))) / 2);
  for (int n = 0; n < 2; ++n) {
    double sum = 0;
    for (std::size_t i = 0; i < 48; ++i) sum += u[std::size_t(n) * 48 + i];
    for (std::size_t i = 0; i < 48; ++i) u[std::size_t(n) * 48 + i] /= sum;
  }
  check_close("physical", shown, u, 1e-6);
}

TEST_CASE("joint sampling: mistakes are named") {
  Pair pair(Device::cpu, 2, {}, {});
  Context& context = pair.context;
  const auto make = [&](WalkerOptions options, SamplerOptions sampler) {
    Walker(context, std::move(options), &pair.prior, nullptr, pair.schedule, sampler, pair.noise);
  };
  CHECK_THROWS_WITH_AS(make(options_of("kernel", {}, -1), pair.options),
                       doctest::Contains("kernel: scale 1, clip -1"), Error);
  CHECK_THROWS_WITH_AS(make(options_of("kernel", {}, 1, {1, 0, 0}), pair.options),
                       doctest::Contains("an exact count has no gradient"), Error);
  CHECK_THROWS_WITH_AS(make(options_of("kernel", {}, 1, {}, true), pair.options),
                       doctest::Contains("give it a chart"), Error);
  CHECK_THROWS_WITH_AS(make(options_of("kernel", {}, 1), {Method::ddpm, Variance::learned_range}),
                       doctest::Contains("learned-range"), Error);
  CHECK_THROWS_WITH_AS(make(options_of("kernel", {}, 1), {Method::pc, Variance::fixed_small}),
                       doctest::Contains("one evaluation"), Error);
  JointMisfit misfit(context, pair.op, pair.y);
  CHECK_THROWS_WITH_AS(misfit.step(std::span(pair.walkers).first(1), 3, 3),
                       doctest::Contains("1 states for an operator of 2"), Error);
  CHECK_THROWS_WITH_AS(misfit.step(pair.walkers, 3, 3), doctest::Contains("image is missing"), Error);
}
