// A prior of kernels as a denoiser: what it is shown, and what is made of its answer.
#include "operators/kernel_denoiser.hpp"

#include <cmath>

#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Values = std::vector<float>;

/// A prior of one picture: whatever x_t is, the estimate of x_0 is that picture. Keeps what it was shown.
class OnePicture : public Denoiser {
 public:
  OnePicture(Context& context, Values picture) : context_(context), picture_(std::move(picture)) {}
  std::unique_ptr<Saved> make_saved() const override { return nullptr; }
  Prediction forward(const Tensor& x, const NoiseLevel& level, Saved* = nullptr) override {
    shape = x.shape(), shown = context_.download(x), asked = level;
    Values eps;
    const double a = level.alphas_cumprod;
    for (std::size_t i = 0; i < shown.size(); ++i)
      eps.push_back(float((shown[i] - std::sqrt(a) * picture_[i]) / std::sqrt(1 - a)));
    return {context_.upload(shape, eps), {}};
  }
  Tensor backward(const Tensor&, Saved&) override { throw Error("nobody asks for a gradient"); }
  bool learns_variance() const override { return false; }

  Shape shape;
  Values shown;
  NoiseLevel asked;

 private:
  Context& context_;
  Values picture_;
};

constexpr int side = 8;
constexpr std::size_t at(int row, int column) { return std::size_t(row * side + column); }

}  // namespace

TEST_CASE(
    "kernel denoiser: the kernel is shown in the middle, its largest pixel 1 and 0 as -1, and comes back") {
  for (const Device device : backends()) {
    Context context(device, 1);
    Values picture(side * side, -1.f);
    picture[at(4, 4)] = 0.2f;   // 0.6 of 1
    picture[at(3, 4)] = -0.6f;  // 0.2
    picture[at(5, 2)] = 1.5f;   // cut to 1
    picture[at(4, 5)] = -3.f;   // cut to 0
    picture[at(0, 0)] = 1.f;    // beyond the kernel's pixels
    OnePicture prior(context, picture);
    const Schedule schedule = make_schedule("linear", 1000);
    KernelDenoiser denoise(context, prior, schedule, side);
    Tensor kernel =
        context.upload({1, 1, 3, 5}, Values{0, 0, 0, 0.1f, 0, 0, 0, 0.4f, 0.2f, 0, 0.1f, 0, 0, 0, 0.2f});
    denoise(kernel, 0.02);

    CHECK(prior.shape == Shape{1, 1, side, side});
    const double a = prior.asked.alphas_cumprod, size = std::sqrt(1 / a - 1);
    CHECK(size >= 0.04);  // the range from 0 to the largest pixel is 2
    CHECK(prior.asked.timestep > 0);
    CHECK(schedule.sqrt_recipm1_alphas_cumprod[std::size_t(prior.asked.timestep) - 1] < 0.04);
    Values expected(side * side, -1.f);
    expected[at(3, 5)] = expected[at(5, 2)] = -0.5f;
    expected[at(4, 4)] = 1;
    expected[at(4, 5)] = expected[at(5, 6)] = 0;
    for (int i = 0; i < side * side; ++i)
      CHECK(prior.shown[std::size_t(i)] ==
            doctest::Approx(std::sqrt(a) * expected[std::size_t(i)]).epsilon(1e-6));

    const Values found = context.download(kernel);
    const Values wanted{0, 0, 0.2f, 0, 0, 0, 0, 0.6f, 0, 0, 1, 0, 0, 0, 0};  // their sum: 1.8
    for (std::size_t i = 0; i < wanted.size(); ++i)
      CHECK(found[i] == doctest::Approx(wanted[i] / 1.8).epsilon(1e-5));
  }
}

TEST_CASE(
    "kernel denoiser: where the prior sees nothing the kernel stays; what it cannot be shown is refused") {
  Context context(Device::cpu, 1);
  OnePicture prior(context, Values(side * side, -1.f));
  KernelDenoiser denoise(context, prior, make_schedule("linear", 1000), side);
  const Values values{0, 0.25f, 0, 0.25f, 0.5f, 0, 0, 0, 0};
  Tensor kernel = context.upload({1, 1, 3, 3}, values);
  denoise(kernel, 0.1);
  CHECK(context.download(kernel) == values);
  // More noise than the schedule has is its last step's.
  denoise(kernel, 1e6);
  CHECK(prior.asked.timestep == 999);
  CHECK_THROWS_WITH_AS(denoise(kernel, 0), doctest::Contains("noise of 0"), Error);
  Tensor even = context.upload({1, 1, 2, 2}, Values(4, 0.25f)),
         large = context.upload({1, 1, 9, 9}, Values(81, 0.1f));
  CHECK_THROWS_WITH_AS(denoise(even, 0.1), doctest::Contains("expected odd sides of at most 8"), Error);
  CHECK_THROWS_WITH_AS(denoise(large, 0.1), doctest::Contains("expected odd sides of at most 8"), Error);
}
