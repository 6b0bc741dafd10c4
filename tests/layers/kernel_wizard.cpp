// The transposed convolution against loops in double, and KernelWizard's gradient against its differences.
#include "layers/kernel_wizard.hpp"

#include "layers/network_tensors.hpp"
#include "tests/layers/small_unets.hpp"
#include "tests/support/support.hpp"
#include "weights/random_source.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

// y[o, s h + i - p, s w + j - p] += x[c, h, w] weight[c, o, i, j], torch's definition of ConvTranspose2d.
std::vector<double> transposed(const std::vector<float>& x, Shape in, const std::vector<float>& weight,
                               const std::vector<float>& bias, int out, int k, int stride, int pad) {
  const int H = (in.H - 1) * stride - 2 * pad + k, W = (in.W - 1) * stride - 2 * pad + k;
  std::vector<double> y(std::size_t(in.N) * std::size_t(out * H * W));
  for (int n = 0; n < in.N; ++n)
    for (int o = 0; o < out; ++o) {
      double* to = y.data() + std::ptrdiff_t(n * out + o) * H * W;
      for (int i = 0; i < H * W; ++i) to[i] = bias[std::size_t(o)];
      for (int c = 0; c < in.C; ++c)
        for (int h = 0; h < in.H; ++h)
          for (int w = 0; w < in.W; ++w)
            for (int i = 0; i < k; ++i)
              for (int j = 0; j < k; ++j) {
                const int row = stride * h + i - pad, column = stride * w + j - pad;
                if (row < 0 || column < 0 || row >= H || column >= W) continue;
                to[row * W + column] += double(x[std::size_t(((n * in.C + c) * in.H + h) * in.W + w)]) *
                                        weight[std::size_t(((c * out + o) * k + i) * k + j)];
              }
    }
  return y;
}

class Biased final : public TensorSource {  // RandomSource's biases are 0
 public:
  bool has(const std::string&) const override { return true; }
  std::vector<float> read(const std::string& key, const Extents& expected) override {
    return random_values(element_count(expected), unsigned(key.size()), -0.5, 0.5);
  }
  void require_all_used() const override {}
};

}  // namespace

TEST_CASE("transposed convolution: values, and channels of parts padded one by one") {
  const Shape in{2, 24, 3, 5};  // 8 channels and 16
  const int out = 5;
  const std::vector<float> x = random_values(in.size(), 1);
  Biased source;
  const WeightScope scope(source);
  const std::vector<double> expected =
      transposed(x, in, scope.read("weight", {24, out, 4, 4}), scope.read("bias", {out}), out, 4, 2, 1);
  // The parts stand at channels 0 to 7 and 16 to 31 of 32.
  std::vector<float> spread(std::size_t(in.N * 32) * 15, 0.f);
  for (int n = 0; n < in.N; ++n)
    for (int c = 0; c < in.C; ++c)
      std::copy_n(x.begin() + (n * in.C + c) * 15, 15, spread.begin() + (n * 32 + (c < 8 ? c : c + 8)) * 15);
  for (const Device device : backends()) {
    Context context(device, 1, true);
    const ConvTranspose2d layer(context, scope, {8, 16}, out, 4, 2, 1, true);
    const auto features = [&](const std::vector<float>& planar, Shape s) {
      Tensor t = context.features(s);
      const std::vector<float> blocked = to_blocks(planar, s, t.b());
      copy_from_host(context.queue, t.data(), blocked.data(), blocked.size() * sizeof(float));
      return t;
    };
    const Shape padded{2, 32, 3, 5}, result{2, 16, 6, 10};
    const auto f = [&](const std::vector<float>& v) {
      return context.download(layer.forward(context, features(v, padded)));
    };
    const std::vector<float> y = f(spread);
    std::vector<float> real;
    for (int n = 0; n < 2; ++n)
      for (int c = 0; c < 16; ++c)
        for (int i = 0; i < 60; ++i) {
          const float value = y[std::size_t((n * 16 + c) * 60 + i)];
          if (c < out)
            real.push_back(value);
          else
            CHECK(value == 0.f);
        }
    check_close("transposed convolution", real, expected, 1e-6);  // sums of up to 96 products
    const std::vector<float> zero = f(std::vector<float>(spread.size(), 0.f));
    check_vjp(
        "transposed convolution",
        [&](const std::vector<float>& v) {
          std::vector<float> value = f(v);
          for (std::size_t i = 0; i < value.size(); ++i) value[i] -= zero[i];
          return value;
        },
        [&](const std::vector<float>& w) {
          return context.download(layer.backward(context, features(w, result)));
        },
        random_values(padded.size(), 2), 1e-5, 1);
  }
}

TEST_CASE("KernelWizard: the gradient agrees with differences, at every sample of a batch") {
  const KernelWizardConfig config{3, 8, 2, 1, 32};
  const Shape image{2, 3, 128, 256};
  for (const Device device : backends()) {
    Context context(device, 1, true);
    RandomSource source(3);
    KernelWizard network(context, WeightScope(source), config);
    const Shape code_shape = network.code_shape(image);
    CHECK(code_shape == Shape{2, 32, 1, 2});
    const std::vector<float> x = random_values(image.size(), 1, 0, 1);
    const Tensor code = context.upload(code_shape, random_values(code_shape.size(), 2, -2, 2));
    const auto f = [&](const std::vector<float>& at) {
      return context.download(network.forward(context.upload(image, at), code));
    };
    const auto vjp = [&](const std::vector<float>& w) {
      KernelWizard::Saved saved;
      network.forward(context.upload(image, x), code, &saved);
      return context.download(network.backward(context.upload(image, w), saved));
    };
    KernelWizard::Saved kept;
    check_equal("value", context.download(network.forward(context.upload(image, x), code, &kept)), f(x));
    // ReLUs that change sides within the step leave a part in some hundreds.
    check_vjp("KernelWizard", f, vjp, x, 1e-2, 3e-3);
    // The image barely moves with the code: rounding and ReLUs that change sides leave a tenth. A part that
    // is missing or masked wrongly leaves all of it.
    check_vjp(
        "KernelWizard, code",
        [&](const std::vector<float>& at) {
          return context.download(network.forward(context.upload(image, x), context.upload(code_shape, at)));
        },
        [&](const std::vector<float>& w) {
          KernelWizard::Saved saved;
          Tensor dcode;
          network.forward(context.upload(image, x), code, &saved);
          network.backward(context.upload(image, w), saved, &dcode);
          return context.download(dcode);
        },
        context.download(code), 0.15, 0.02);
  }
}

TEST_CASE("KernelWizard: the tensors it asks for are those that are known without building it") {
  for (const KernelWizardConfig& config :
       {KernelWizardConfig{3, 8, 2, 3, 16}, KernelWizardConfig{1, 16, 1, 1, 8}}) {
    Context context(Device::cpu);
    TestSource source;
    const KernelWizard network(context, WeightScope(source), config);
    CHECK(source.asked() == tensors_of(config));
  }
}

TEST_CASE("KernelWizard: what it cannot take is named") {
  Context context(Device::cpu);
  RandomSource source(3);
  const KernelWizard network(context, WeightScope(source), {3, 8, 1, 1, 16});
  CHECK_THROWS_WITH_AS(network.code_shape({1, 3, 128, 130}),
                       "nonlinear blur: 128x130 pixels; the network takes multiples of 128", Error);
  CHECK_THROWS_WITH_AS(network.code_shape({1, 1, 128, 128}),
                       "nonlinear blur: images of 1 channels; the network takes 3", Error);
  CHECK_THROWS_WITH_AS(parse_kernel_wizard_config({{"input_nc", 3}, {"nf", 0}}, "W.h5"),
                       "W.h5: nf is missing or not a positive whole number", Error);
}
