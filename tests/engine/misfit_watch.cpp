// The misfit of each step comes once, at the latest a step late, and is that step's.
#include <doctest/doctest.h>

#include <cmath>

#include "engine/solvers/solver.hpp"
#include "tests/support/support.hpp"

namespace tweedie::test {
namespace {

/// Says of step k that its two samples miss by k and 2 k.
class Saying : public Solver {
 public:
  explicit Saying(Context& context) : context_(context), misfit_(context.per_sample(2)) {}
  Tensor start(Posterior&) override { return {}; }
  Tensor step(Posterior&, Tensor x, int) override { return x; }
  const Tensor& estimate() const override { return none_; }
  const TensorOf<double>& misfit_squared() const override { return known_ ? misfit_ : nothing_; }
  void say(double k) {
    known_ = true;
    const double squared[] = {k * k, 4 * k * k};
    copy_from_host(context_.queue, misfit_.data(), squared, sizeof squared);
  }

 private:
  Context& context_;
  bool known_ = false;
  Tensor none_;
  TensorOf<double> misfit_, nothing_;
};

}  // namespace

TEST_CASE("a watch sees the misfit of every step once, on CUDA one step late") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    const int late = device == Device::cuda ? 1 : 0;
    Context context(device);
    Saying solver(context);
    MisfitWatch watch(context, solver);
    CHECK(!watch.after(0));  // the solver does not look at it in this step
    CHECK(!watch.last());
    const auto check = [](const std::optional<MisfitWatch::Seen>& seen, int executed) {
      REQUIRE(seen);
      CHECK(seen->executed == executed);
      CHECK(seen->distance == doctest::Approx(executed * std::sqrt(2.5)));
    };
    for (int k = 1; k < 5; ++k) {
      solver.say(k);
      const auto seen = watch.after(k);
      if (k - late == 0)
        CHECK(!seen);
      else
        check(seen, k - late);
    }
    const auto last = watch.last();
    CHECK(bool(last) == (late == 1));
    if (last) check(last, 4);
    CHECK(!watch.last());
    solver.say(std::nan(""));
    const auto seen = watch.after(5);
    const auto then = watch.last();
    CHECK(std::isnan((late ? then : seen)->distance));
  }
}

}  // namespace tweedie::test
