#include "kernels/convolution.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "tests/kernels/convolution_reference.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Case = ConvolutionCase;
using Reference = ConvolutionReference;

// Errors are relative to the largest value of the result. A sum of K = in * taps products in fp32 is off
// by about sqrt(K) * 2^-24 of its size, 1e-6 for K = 576. Winograd's transforms (ours, F(4x4, 3x3)) err
// by a few times as much. Nothing rounded to TF32 or bf16 (1e-3) passes.
constexpr double tolerance = 5e-6;

// bfloat16 is float32's upper half: the value nearest to it, ties to even.
float to_bf16(float value) {
  std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  bits += 0x7FFFu + (bits >> 16 & 1u);
  return std::bit_cast<float>(bits & 0xFFFF0000u);
}

// A convolution on a queue's device, fed and read in planar order.
struct Runner {
  Queue& q;
  Case c;
  int x_block = convolution_block(q.device(), c.g.in), y_block = convolution_block(q.device(), c.g.out);
  DeviceArray<float> packed;
  Runner(Queue& queue, const Case& which, const std::vector<float>& weights)
      : q(queue), c(which), packed(queue, convolution_packed_size(queue, which.g)) {
    convolution_pack(q, packed_view(), weights.data(), c.g);
  }
  View<float> packed_view() const { return packed.view({1, 1, 1, int(convolution_packed_size(q, c.g))}); }
  std::vector<float> forward(const std::vector<float>& x, const std::vector<float>* bias,
                             const std::vector<float>* before) const {
    const DeviceArray<float> from(q, to_blocks(x, c.x, x_block));
    const DeviceArray<float> to(
        q, before ? to_blocks(*before, c.y(), y_block) : std::vector<float>(std::size_t(c.y().size()), NAN));
    const DeviceArray<float> b(q, bias ? *bias : std::vector<float>());
    convolution(q, to.view(c.y(), y_block), from.view(c.x, x_block), packed_view(), bias ? b.data() : nullptr,
                c.g, before != nullptr);
    return from_blocks(to.host(), c.y(), y_block);
  }
  /// `before`: what the gradient is added to; null: to nothing.
  std::vector<float> backward(const std::vector<float>& dy,
                              const std::vector<float>* before = nullptr) const {
    const DeviceArray<float> from(q, to_blocks(dy, c.y(), y_block)),
        to(q, before ? to_blocks(*before, c.x, x_block) : std::vector<float>(std::size_t(c.x.size())));
    convolution_backward_data(q, to.view(c.x, x_block), from.view(c.y(), y_block), packed_view(), c.g,
                              before != nullptr);
    return from_blocks(to.host(), c.x, x_block);
  }
  // What is added to `before_weights` (plain order) and `before_bias`; the weights, then the bias.
  std::vector<float> by_weights(const std::vector<float>& x, const std::vector<float>& dy,
                                const std::vector<float>& before_weights,
                                const std::vector<float>& before_bias) const {
    const DeviceArray<float> from(q, to_blocks(x, c.x, x_block)), slope(q, to_blocks(dy, c.y(), y_block));
    const DeviceArray<float> dpacked(q, convolution_packed_size(q, c.g)), dbias(q, before_bias);
    const View<float> to = dpacked.view({1, 1, 1, int(convolution_packed_size(q, c.g))});
    convolution_pack(q, to, before_weights.data(), c.g);
    convolution_backward_weights(q, to, before_bias.empty() ? nullptr : dbias.data(), from.view(c.x, x_block),
                                 slope.view(c.y(), y_block), c.g);
    std::vector<float> result(before_weights.size());
    convolution_unpack(q, result.data(), to, c.g);
    const std::vector<float> bias = dbias.host();
    result.insert(result.end(), bias.begin(), bias.end());
    return result;
  }
};

// Both gradients, each relative to its own largest value.
void check_by_weights(const std::string& what, const std::vector<float>& got, std::vector<double> dweights,
                      const std::vector<double>& dbias) {
  const auto end = got.begin() + std::ptrdiff_t(dweights.size());
  check_close(what + ", weights", std::vector<float>(got.begin(), end), dweights, tolerance);
  if (!dbias.empty()) check_close(what + ", bias", std::vector<float>(end, got.end()), dbias, tolerance);
}

}  // namespace

TEST_CASE("convolution equals its definition, with and without bias and accumulation") {
  for (const Device device : backends())
    for (const Case c : cases::convolutions_small) {
      Queue q(device);
      const Reference reference(c);
      const Runner run(q, c, reference.weights);
      for (const bool bias : {false, true})
        for (const bool accumulate : {false, true}) {
          const auto result = under_all_warp_orders(q, [&] {
            return run.forward(reference.x, bias ? &reference.bias : nullptr,
                               accumulate ? &reference.before : nullptr);
          });
          check_close(
              message(name(device), " ", c.name(), bias ? ", bias" : "", accumulate ? ", accumulating" : ""),
              result, reference.expected(c, bias, accumulate), tolerance);
        }
    }
}

TEST_CASE("convolution_backward_data equals the transposed definition") {
  for (const Device device : backends())
    for (const Case c : cases::convolutions_small) {
      Queue q(device);
      const Reference reference(c);
      const Runner run(q, c, reference.weights);
      check_close(message(name(device), " backward ", c.name()),
                  under_all_warp_orders(q, [&] { return run.backward(reference.dy); }), reference.dx,
                  tolerance);
    }
}

TEST_CASE("convolution_backward_data adds to what is there") {
  for (const Device device : backends())
    for (const Case c : cases::convolutions_small) {
      if (device == Device::cpu && !(c.g.kernel == 1 && c.g.stride == 1)) continue;
      Queue q(device);
      const Reference reference(c);
      const Runner run(q, c, reference.weights);
      const std::vector<float> before = random_values(c.x.size(), 23);
      std::vector<double> expected = reference.dx;
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += before[i];
      check_close(message(name(device), " backward, added, ", c.name()),
                  under_all_warp_orders(q, [&] { return run.backward(reference.dy, &before); }), expected,
                  tolerance);
    }
}

TEST_CASE("convolution_backward_weights adds the gradients by weights and bias") {
  for (const Device device : backends())
    for (const Case c : cases::convolutions_small) {
      Queue q(device);
      const Reference reference(c);
      const Runner run(q, c, reference.weights);
      const std::string name = message(tweedie::name(device), " by weights ", c.name());
      const std::vector<float> no_weights(reference.weights.size(), 0.f), no_bias(reference.bias.size(), 0.f);
      check_by_weights(name,
                       under_all_warp_orders(
                           q, [&] { return run.by_weights(reference.x, reference.dy, no_weights, no_bias); }),
                       reference.dweights, reference.dbias);
      check_by_weights(name + ", without bias", run.by_weights(reference.x, reference.dy, no_weights, {}),
                       reference.dweights, {});
      std::vector<double> dweights = reference.dweights, dbias = reference.dbias;
      for (std::size_t i = 0; i < dweights.size(); ++i) dweights[i] += reference.weights[i];
      for (std::size_t i = 0; i < dbias.size(); ++i) dbias[i] += reference.bias[i];
      check_by_weights(name + ", adding",
                       run.by_weights(reference.x, reference.dy, reference.weights, reference.bias), dweights,
                       dbias);
    }
}

TEST_CASE(
    "in bf16 the operands are rounded, once, to nearest, and nothing else is: forward and both backwards") {
  Queue q(Device::cpu);
  try {
    q.set_multiplied(Precision::bf16);
  } catch (const Error& e) {
    MESSAGE("not tried here: ", e.what());
    return;
  }
  for (const Case c : cases::convolutions_small) {
    // Products of two bf16 numbers are exact in float32, so that the same tolerance holds as in fp32. The
    // runner rounds nothing: it gets what the reference had before its rounding.
    const Reference plain(c), rounded(c, to_bf16);
    const Runner run(q, c, plain.weights);
    for (const bool accumulate : {false, true})
      check_close(message("bf16 ", c.name(), accumulate ? ", accumulating" : ""),
                  run.forward(plain.x, &plain.bias, accumulate ? &plain.before : nullptr),
                  rounded.expected(c, true, accumulate), tolerance);
    check_close(message("bf16 backward ", c.name()), run.backward(plain.dy), rounded.dx, tolerance);
    std::vector<double> dweights = rounded.dweights, dbias = rounded.dbias;
    for (std::size_t i = 0; i < dweights.size(); ++i) dweights[i] += plain.weights[i];
    for (std::size_t i = 0; i < dbias.size(); ++i) dbias[i] += plain.bias[i];
    check_by_weights(message("bf16 by weights ", c.name()),
                     run.by_weights(plain.x, plain.dy, plain.weights, plain.bias), dweights, dbias);
  }
  CHECK(convolution_implementation(q, {32, 32, 3, 1, 1}, {1, 32, 12, 10}, false).find("bf16") !=
        std::string::npos);
}

TEST_CASE("convolution_unpack gives back what was packed") {
  for (const Device device : backends())
    for (const Case c : cases::convolutions_small) {
      Queue q(device);
      const std::vector<float> weights = random_values(c.weights(), 61);
      const Runner run(q, c, weights);
      std::vector<float> back(weights.size());
      convolution_unpack(q, back.data(), run.packed_view(), c.g);
      check_equal(message(name(device), " ", c.name()), back, weights);
    }
}

TEST_CASE("convolution_backward_data is the adjoint of convolution") {
  for (const Device device : backends())
    for (const Case c : cases::convolutions_small) {
      if (c.x.size() == 0) continue;
      Queue q(device);
      const Runner run(q, c, random_values(c.weights(), 21));
      check_vjp(
          message(name(device), " ", c.name()),
          [&](const std::vector<float>& x) { return run.forward(x, nullptr, nullptr); },
          [&](const std::vector<float>& dy) { return run.backward(dy); }, random_values(c.x.size(), 22),
          tolerance, 1);
    }
}

TEST_CASE("convolutions of several shapes share a queue, and repeat bit for bit") {
  for (const Device device : backends()) {
    Queue q(device);
    std::vector<std::vector<float>> first;
    for (int round = 0; round < 2; ++round)
      for (std::size_t k = 0; k < std::size(cases::convolutions_small); ++k) {
        const Case c = cases::convolutions_small[k];
        const Runner run(q, c, random_values(c.weights(), 31));
        auto values = run.forward(random_values(c.x.size(), 32), nullptr, nullptr);
        if (round == 0)
          first.push_back(values);
        else
          check_equal(message(name(device), " ", c.name()), values, first[k]);
      }
  }
}

TEST_CASE("after its first call a convolution asks the driver for nothing") {
  for (const Device device : backends()) {
    Queue q(device);
    const Case c{{32, 32, 3, 1, 1}, {1, 32, 12, 10}};
    const Runner run(q, c, random_values(c.weights(), 41));
    const DeviceArray<float> x(q, random_values(c.x.size(), 42)), y(q, c.y().size()), dx(q, c.x.size()),
        dweights(q, c.weights()), dbias(q, c.g.out);
    const auto both = [&] {
      convolution(q, y.view(c.y(), run.y_block), x.view(c.x, run.x_block), run.packed_view(), nullptr, c.g);
      convolution_backward_data(q, dx.view(c.x, run.x_block), y.view(c.y(), run.y_block), run.packed_view(),
                                c.g);
      convolution_backward_weights(q, dweights.view({1, 1, 1, int(c.weights())}), dbias.data(),
                                   x.view(c.x, run.x_block), y.view(c.y(), run.y_block), c.g);
    };
    both();
    const std::size_t calls = q.meter().calls;
    both();
    CHECK(q.meter().calls == calls);
  }
}

TEST_CASE("the library names what it runs, and its best time is finite") {
  for (const Device device : backends()) {
    Queue q(device);
    const ConvolutionGeometry g{32, 32, 3, 1, 1};
    for (const bool backward : {false, true}) {
      CHECK(!convolution_implementation(q, g, {1, 32, 12, 10}, backward).empty());
      const double seconds = convolution_best_seconds(q, g, {1, 32, 12, 10}, backward, 2);
      CHECK(seconds > 0);
      CHECK(seconds < 10);
    }
  }
}

TEST_CASE("convolution refuses what does not fit") {
  for (const Device device : backends()) {
    Queue q(device);
    const Case c{{16, 32, 3, 1, 1}, {2, 16, 6, 5}};
    const Runner run(q, c, random_values(c.weights(), 51));
    const DeviceArray<float> x(q, c.x.size()), y(q, c.y().size());
    const int in_block = run.x_block, out_block = run.y_block;
    const auto call = [&](const ConvolutionGeometry& g, Shape to, int to_block, Shape from, int from_block,
                          View<float> packed) {
      convolution(q, {y.data(), to, to_block}, View<const float>{x.data(), from, from_block}, packed, nullptr,
                  g);
    };
    const View<float> packed = run.packed_view();
    const auto contains = [](const char* text) { return doctest::Contains(text); };
    CHECK_THROWS_WITH_AS(call({8, 32, 3, 1, 1}, c.y(), out_block, c.x, in_block, packed),
                         contains("multiples of 16"), Error);
    CHECK_THROWS_WITH_AS(call({16, 32, 3, 0, 1}, c.y(), out_block, c.x, in_block, packed),
                         contains("make no convolution"), Error);
    CHECK_THROWS_WITH_AS(call(c.g, c.y(), out_block, {2, 32, 6, 5}, in_block, packed),
                         contains("32 channels, the weights take 16"), Error);
    CHECK_THROWS_WITH_AS(call(c.g, {2, 32, 6, 6}, out_block, c.x, in_block, packed),
                         contains("the output of (2, 16, 6, 5) is (2, 32, 6, 5), not (2, 32, 6, 6)"), Error);
    CHECK_THROWS_WITH_AS(call(c.g, c.y(), 1, c.x, in_block, packed), contains("channel blocks must be"),
                         Error);
    CHECK_THROWS_WITH_AS(call({16, 32, 3, 1, 0}, {2, 32, 0, 0}, out_block, {2, 16, 2, 2}, in_block, packed),
                         contains("does not fit into"), Error);
    CHECK_THROWS_WITH_AS(call(c.g, c.y(), out_block, c.x, in_block, View<float>{packed.data, {1, 1, 1, 9}}),
                         contains("4608 packed weights expected, got 9"), Error);
    CHECK_THROWS_WITH_AS(
        convolution_backward_data(q, x.view(c.x, in_block), View<float>{y.data(), {1, 32, 6, 5}, out_block},
                                  packed, c.g),
        contains("convolution_backward_data: the output of"), Error);
    if (device == Device::cpu)
      CHECK_THROWS_WITH_AS(
          convolution_backward_data(q, x.view(c.x, in_block), y.view(c.y(), out_block), packed, c.g, true),
          contains("on the CPU only 1x1 kernels without stride accumulate, not 3 with"), Error);
    CHECK_THROWS_WITH_AS(convolution_backward_weights(q, View<float>{packed.data, {1, 1, 1, 9}}, nullptr,
                                                      x.view(c.x, in_block), y.view(c.y(), out_block), c.g),
                         contains("convolution_backward_weights: 4608 packed weights expected, got 9"),
                         Error);
    CHECK_THROWS_WITH_AS(convolution_unpack(q, nullptr, View<float>{packed.data, {1, 1, 1, 9}}, c.g),
                         contains("convolution_unpack: 4608 packed weights expected, got 9"), Error);
    CHECK_THROWS_WITH_AS(convolution_pack(q, View<float>{packed.data, {1, 1, 1, 9}}, nullptr, c.g),
                         contains("room for 4608 weights"), Error);
  }
}
