#include "kernels/adam.hpp"

#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

// Several steps of AdamW in double, straight from the formula.
struct Reference {
  std::vector<double> p, m, v, ema;
  void step(const std::vector<float>& g, const AdamW& a) {
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double scaled = a.gradient_scale * g[i];
      p[i] -= a.rate * a.weight_decay * p[i];
      m[i] = a.beta1 * m[i] + (1 - a.beta1) * scaled;
      v[i] = a.beta2 * v[i] + (1 - a.beta2) * scaled * scaled;
      const double corrected = m[i] / (1 - std::pow(a.beta1, double(a.step)));
      p[i] -= a.rate * corrected / (std::sqrt(v[i] / (1 - std::pow(a.beta2, double(a.step)))) + a.epsilon);
      ema[i] = a.ema_rate * ema[i] + (1 - a.ema_rate) * p[i];
    }
  }
};

}  // namespace

TEST_CASE("adamw: several steps against the formula in double") {
  for (const Device d : backends()) {
    Queue q(d);
    for (const int count : {1, 777, 4099}) {
      const Shape shape{1, 1, 1, count};
      const std::vector<float> start = random_values(count, 1);
      const DeviceArray<float> p(q, start), m(q, std::vector<float>(start.size(), 0.f)),
          v(q, std::vector<float>(start.size(), 0.f)), ema(q, start);
      Reference expected{{start.begin(), start.end()}, {}, {}, {start.begin(), start.end()}};
      expected.m.resize(start.size());
      expected.v.resize(start.size());
      AdamW a{.rate = 1e-2, .weight_decay = 0.05, .gradient_scale = 0.25, .ema_rate = 0.9};
      for (a.step = 1; a.step <= 5; ++a.step) {
        std::vector<float> g = random_values(count, unsigned(10 + a.step), -3, 3);
        if (a.step % 2 == 0) g[0] = 0;
        const DeviceArray<float> gradient(q, g);
        adamw(q, p.view(shape), m.view(shape), v.view(shape), ema.view(shape), gradient.view(shape), a);
        expected.step(g, a);
        for (const float left : gradient.host()) REQUIRE(left == 0);
      }
      // Five steps of some ten roundings each, of values up to 1.
      const std::string name = message(tweedie::name(d), " ", count);
      check_close(name + " p", p.host(), expected.p, 2e-6);
      check_close(name + " m", m.host(), expected.m, 2e-6);
      check_close(name + " v", v.host(), expected.v, 2e-6);
      check_close(name + " ema", ema.host(), expected.ema, 2e-6);
    }
  }
}

TEST_CASE("adamw: without an average, and where nothing has a gradient") {
  for (const Device d : backends()) {
    Queue q(d);
    const Shape shape{1, 1, 1, 9};
    const std::vector<float> start = random_values(9, 1), zeros(9, 0.f);
    const DeviceArray<float> p(q, start), m(q, zeros), v(q, zeros), g(q, zeros);
    adamw(q, p.view(shape), m.view(shape), v.view(shape), {}, g.view(shape), {.rate = 0.1});
    check_equal("no gradient, no move", p.host(), start);
    CHECK_THROWS_WITH_AS(
        adamw(q, p.view(shape), m.view(shape), v.view(shape), {}, g.view(shape), {.step = 0}),
        "adamw: steps are counted from 1, got 0", Error);
    CHECK_THROWS_AS(adamw(q, p.view(shape), m.view({1, 1, 3, 3}), v.view(shape), {}, g.view(shape), {}),
                    Error);
  }
}
