// Passes that are replayed as CUDA graphs give the bits of passes that are not.
#include <doctest/doctest.h>

#include "kernels/elementwise.hpp"
#include "tests/layers/small_unets.hpp"

namespace tweedie::test {
namespace {

constexpr int steps = 4;

NoiseLevel level_of(int step) {
  NoiseLevel level;
  level.timestep = 900 - 170 * step;
  level.alphas_cumprod = 0.1 + 0.15 * step;
  return level;
}

/// A network with a context of its own, so that two of them see the same random numbers.
struct Network {
  Context context;
  TestSource source;
  UNet unet;

  Network(const UNetConfig& config, bool replay, Precision precision = Precision::fp32)
      : context(Device::cuda, 1), unet(context, WeightScope(source), config) {
    context.queue.set_precision(precision);
    context.replay = replay;
    if (config.num_classes) unet.set_labels({3});
  }
  Tensor image(int N = 1) { return context.normal({N, unet.config().in_channels, 8, 12}); }
};

using Values = std::vector<std::vector<float>>;

void keep(Values& values, Network& n, const Tensor& x) {
  if (x) values.push_back(n.context.download(x));
}

/// A step: predictions and the gradient of a random cotangent.
void step(Values& values, Network& n, Saved& saved, int k, int N = 1) {
  const Tensor x = n.image(N), cotangent = n.image(N);
  const Prediction p = n.unet.forward(x, level_of(k), &saved);
  keep(values, n, p.eps);
  keep(values, n, p.v);
  keep(values, n, n.unet.backward(cotangent, saved));
}

template <class Body>
void same_with_and_without(const UNetConfig& config, std::uint64_t least_replays, const Body& body,
                           Precision precision = Precision::fp32) {
  Network replaying(config, true, precision), plain(config, false, precision);
  const Values replayed = body(replaying), expected = body(plain);
  CHECK(plain.unet.replays() == 0);
  CHECK(replaying.unet.replays() >= least_replays);
  REQUIRE(replayed.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(std::all_of(expected[i].begin(), expected[i].end(), [](float v) { return std::isfinite(v); }));
    CHECK(replayed[i] == expected[i]);
  }
}

bool has_cuda() { return std::count(backends().begin(), backends().end(), Device::cuda) > 0; }

}  // namespace

TEST_CASE("replayed passes of every small U-Net give the same bits") {
  if (!has_cuda()) return;
  for (const NamedConfig& each : small_unets()) {
    CAPTURE(each.name);
    // Two steps ask for memory or may do so; from the third on both ways are replayed.
    same_with_and_without(each.config, 2 * (steps - 2), [](Network& n) {
      Values values;
      const auto saved = n.unet.make_saved();
      for (int k = 0; k < steps; ++k) step(values, n, *saved, k);
      return values;
    });
  }
}

TEST_CASE("replayed passes give the same bits with rounding and checkpointing, and after a change of those") {
  if (!has_cuda()) return;
  const UNetConfig config = small_unets()[1].config;
  for (const Precision precision : {Precision::tf32, Precision::bf16})
    same_with_and_without(
        config, 2 * (2 * steps - 4),
        [](Network& n) {
          Values values;
          const auto saved = n.unet.make_saved();
          for (const bool checkpoint : {true, false}) {
            n.context.checkpoint = checkpoint;
            for (int k = 0; k < steps; ++k) step(values, n, *saved, k);
          }
          n.context.queue.set_precision(Precision::fp32);
          step(values, n, *saved, 0);
          return values;
        },
        precision);
}

TEST_CASE("states that live at once, states nobody takes, passes without one, other shapes and labels") {
  if (!has_cuda()) return;
  const UNetConfig config = small_unets()[3].config;
  same_with_and_without(config, 10, [](Network& n) {
    Values values;
    const auto first = n.unet.make_saved(), second = n.unet.make_saved();
    for (int k = 0; k < 4; ++k) step(values, n, *first, k);
    // Both alive: the first one's is replayed, the other's not.
    const Tensor x = n.image(), y = n.image(), cotangent = n.image();
    keep(values, n, n.unet.forward(x, level_of(0), first.get()).eps);
    keep(values, n, n.unet.forward(y, level_of(1), second.get()).eps);
    keep(values, n, n.unet.forward(y, level_of(2)).eps);  // no state
    keep(values, n, n.unet.backward(cotangent, *second));
    keep(values, n, n.unet.backward(cotangent, *first));
    // Nobody comes back for this one; the state is filled anew.
    keep(values, n, n.unet.forward(x, level_of(1), first.get()).eps);
    for (int k = 0; k < 4; ++k) keep(values, n, n.unet.forward(n.image(), level_of(k)).eps);
    step(values, n, *first, 3);
    for (int k = 0; k < 4; ++k) keep(values, n, n.unet.forward(n.image(), level_of(k)).eps);
    for (int k = 0; k < 4; ++k) step(values, n, *second, k, 2);
    for (int k = 0; k < 6; ++k) {
      n.unet.set_labels({k % 2 ? 1 : UNet::any_class});
      step(values, n, *first, k % 4);
    }
    // A larger scratch than any that was recorded with.
    n.context.queue.scratch(std::size_t(1) << 22);
    n.context.queue.workspace(std::size_t(1) << 26);
    step(values, n, *first, 2);
    return values;
  });
}

TEST_CASE("parameters that are asked for are no longer replayed from where they were") {
  if (!has_cuda()) return;
  Network n(small_unets()[0].config, true);
  Values values;
  const auto saved = n.unet.make_saved();
  for (int k = 0; k < 3; ++k) step(values, n, *saved, k);
  const std::uint64_t replays = n.unet.replays();
  CHECK(replays == 2);
  n.unet.list_parameters();
  step(values, n, *saved, 0);
  CHECK(n.unet.replays() == replays);
}

TEST_CASE("a state serves one backward, replayed or not") {
  if (!has_cuda()) return;
  Network n(small_unets()[0].config, true);
  Values values;
  const auto saved = n.unet.make_saved();
  for (int k = 0; k < 4; ++k) step(values, n, *saved, k);
  CHECK_THROWS_AS(n.unet.backward(n.image(), *saved), Error);
  n.unet.forward(n.image(), level_of(0), saved.get());
  CHECK_THROWS_AS(n.unet.backward(n.image(2), *saved), Error);
}

}  // namespace tweedie::test
