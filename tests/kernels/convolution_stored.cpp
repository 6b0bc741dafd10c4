// Convolutions that read bf16, and those whose input or its gradient lies in two parts.
#include "kernels/concat.hpp"
#include "tests/kernels/convolution_reference.hpp"
#include "tests/kernels/stored.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Case = ConvolutionCase;

// Weights of a case on the CPU, and maps in its blocks.
struct Runner {
  Queue& q;
  Case c;
  int b = convolution_block(Device::cpu, 16);
  DeviceArray<float> packed{q, c.weights()};
  Runner(Queue& queue, const Case& which) : q(queue), c(which) {
    convolution_pack(q, weights(), random_values(c.weights(), 11).data(), c.g);
  }
  View<float> weights() const { return packed.view({1, 1, 1, int(c.weights())}); }
  std::vector<float> forward(const MapView& x) const {
    const DeviceArray<float> y(q, c.y().size());
    convolution(q, y.view(c.y(), b), x, weights(), nullptr, c.g);
    return y.host();
  }
  std::vector<float> backward(const MapView& dy) const {
    const DeviceArray<float> dx(q, c.x.size());
    convolution_backward_data(q, dx.view(c.x, b), dy, weights(), c.g);
    return dx.host();
  }
};

// Returns how many convolutions read bf16.
int check_operands(Queue& q) {
  int read = 0;
  for (const Case c : cases::convolutions_small) {
    if (c.x.size() == 0) continue;
    const Runner run(q, c);
    const std::vector<float> x = as_bf16(random_values(c.x.size(), 1)),
                             dy = as_bf16(random_values(c.y().size(), 2));
    const DeviceArray<float> x_wide(q, x), dy_wide(q, dy);
    const DeviceArray<std::uint16_t> x_there(q, rounded(x)), dy_there(q, rounded(dy));
    for (const bool backward : {false, true}) {
      const auto stored = [&] {
        return backward ? run.backward(stored_view(dy_there, c.y(), run.b))
                        : run.forward(stored_view(x_there, c.x, run.b));
      };
      const std::string what = message(c.name(), backward ? " backward" : "");
      if (convolution_operand(q, c.g, c.x, backward) == Storage::fp32) {
        CHECK_THROWS_AS(stored(), Error);
        continue;
      }
      read += 1;
      check_equal(what, stored(),
                  backward ? run.backward(dy_wide.view(c.y(), run.b)) : run.forward(x_wide.view(c.x, run.b)));
    }
  }
  return read;
}

}  // namespace

TEST_CASE("a convolution of operands stored as bf16 is that of the same numbers in fp32") {
  Queue q(Device::cpu);
  CHECK(check_operands(q) == 0);  // in fp32 nothing is to be stored as bf16
  q.set_precision(Precision::bf16);
  q.set_multiplied(Precision::fp32);
  const int vectors = check_operands(q);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) CHECK(vectors >= 4);
#endif
  try {
    q.set_multiplied(Precision::bf16);
  } catch (const Error& e) {
    MESSAGE("not tried here: ", e.what());
    return;
  }
  CHECK(check_operands(q) > vectors);
}

TEST_CASE("precisions that a device has not are refused in one line") {
  Queue q(Device::cpu);
  CHECK_THROWS_WITH_AS(q.set_precision(Precision::tf32), "precision tf32: of NVIDIA's GPUs; use fp32 or bf16",
                       Error);
  CHECK(q.precision() == Precision::fp32);
}

// Small and large maps: those that our Winograd does and those that it does not.
TEST_CASE("the gradient by an input in two parts is that by the whole, in its parts") {
  Queue q(Device::cpu);
  for (const Case c : {Case{{48, 32, 3, 1, 1}, {2, 48, 3, 2}}, Case{{96, 64, 3, 1, 1}, {2, 96, 21, 30}},
                       Case{{64, 32, 3, 2, 1}, {1, 64, 8, 6}}, Case{{48, 16, 1, 1, 0}, {2, 48, 9, 4}}}) {
    const Runner run(q, c);
    Shape first = c.x, second = c.x;
    first.C = 16;
    second.C -= 16;
    const DeviceArray<float> dy(q, random_values(c.y().size(), 2)),
        whole(q, run.backward(dy.view(c.y(), run.b)));
    const DeviceArray<float> a(q, first.size()), b(q, second.size()), joined(q, c.x.size());
    convolution_backward_data_in_parts(q, a.view(first, run.b), b.view(second, run.b), dy.view(c.y(), run.b),
                                       run.weights(), c.g);
    concat_channels(q, joined.view(c.x, run.b), a.view(first, run.b), b.view(second, run.b));
    check_equal(c.name(), joined.host(), whole.host());
    if (!(c.g.kernel == 1)) continue;
    // Added to itself once more.
    convolution_backward_data_in_parts(q, a.view(first, run.b), b.view(second, run.b), dy.view(c.y(), run.b),
                                       run.weights(), c.g, true);
    concat_channels(q, joined.view(c.x, run.b), a.view(first, run.b), b.view(second, run.b));
    std::vector<double> twice;
    for (const float value : whole.host()) twice.push_back(2.0 * value);
    check_close(c.name() + " added", joined.host(), twice, 2e-6);  // products in another order
  }
}

TEST_CASE("a convolution of an input in two parts is that of the whole") {
  for (const Device device : backends()) {
    Queue q(device);
    for (const Case c : {Case{{48, 32, 1, 1, 0}, {2, 48, 9, 4}}, Case{{96, 64, 3, 1, 1}, {1, 96, 21, 30}}}) {
      const auto block = [&](int channels) { return convolution_block(device, channels); };
      Shape first = c.x, second = c.x;
      first.C = 16;
      second.C -= 16;
      const DeviceArray<float> a(q, random_values(first.size(), 1)), b(q, random_values(second.size(), 2)),
          x(q, c.x.size()), bias(q, random_values(c.g.out, 3)), packed(q, c.weights()),
          whole(q, c.y().size()), y(q, std::vector<float>(std::size_t(c.y().size()), 0.5f));
      const View<float> weights = packed.view({1, 1, 1, int(c.weights())});
      convolution_pack(q, weights, random_values(c.weights(), 11).data(), c.g);
      concat_channels(q, x.view(c.x, block(c.x.C)), a.view(first, block(first.C)),
                      b.view(second, block(second.C)));
      convolution(q, whole.view(c.y(), block(c.g.out)), x.view(c.x, block(c.x.C)), weights, bias.data(), c.g);
      convolution_of_parts(q, y.view(c.y(), block(c.g.out)), a.view(first, block(first.C)),
                           b.view(second, block(second.C)), weights, bias.data(), c.g);
      std::vector<double> expected;
      for (const float value : whole.host()) expected.push_back(double(value) + 0.5);
      check_close(message(name(device), " ", c.name()), y.host(), expected, 5e-6);  // as convolution.cpp's
    }
    const DeviceArray<float> x(q, 16 * 4), y(q, 16 * 4), packed(q, 9 * 16 * 48);
    const View<float> map = x.view({1, 16, 2, 2}, 16), weights = packed.view({1, 1, 1, 9 * 16 * 48});
    CHECK_THROWS_WITH_AS(
        convolution_of_parts(q, y.view({1, 16, 2, 2}, 16), map, map, weights, nullptr, {48, 16, 3, 1, 1}),
        "convolution_of_parts: (1, 16, 2, 2) and (1, 16, 2, 2) do not make up 48 channels", Error);
  }
}
