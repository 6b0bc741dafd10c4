// Branches of the U-Net against each other: weights of one chosen so that it computes what another does.
#include "layers/class_guidance.hpp"
#include "tests/layers/small_unets.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

// Convolutions are summed in another order, attention is multiplied in another: some tens of roundings deep.
constexpr double rounding = 2e-5;

struct Outcome {
  std::vector<float> output, gradient;
};

Outcome run(Device device, const UNetConfig& config, TestSource& source) {
  SmallUNet unet(device, config, source);
  const Shape shape{2, config.in_channels, 8, 12};
  const std::vector<float> x = random_values(shape.size(), 5), t = {30, 700};
  const std::vector<float> w = random_values(shape.size() / config.in_channels * config.out_channels, 6);
  unet.label(2);
  return {unet.forward(x, shape, t), unet.pull_back(x, shape, t, w)};
}

Outcome run(Device device, const UNetConfig& config) {
  TestSource source;
  return run(device, config, source);
}

void check_same(const Outcome& a, const Outcome& b) {
  check_close("output", a.output, b.output, rounding);
  check_close("gradient", a.gradient, b.gradient, rounding);
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(double(a[i]) - b[i]));
  return worst;
}

// qkv rows in the old order ([q, k, v] of each head in turn), moved to the new one (all q, all k, all v).
std::vector<float> reordered(const std::vector<float>& rows, int heads) {
  const std::size_t count = rows.size(), part = count / std::size_t(3 * heads);  // one of q, k, v of a head
  std::vector<float> out(count);
  for (std::size_t head = 0; head < std::size_t(heads); ++head)
    for (std::size_t k = 0; k < 3; ++k)
      std::copy_n(rows.begin() + std::ptrdiff_t((3 * head + k) * part), part,
                  out.begin() + std::ptrdiff_t((k * std::size_t(heads) + head) * part));
  return out;
}

}  // namespace

TEST_CASE("the attention orders differ by the order of qkv's rows alone") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    UNetConfig config = small_unets()[0].config;
    REQUIRE(!config.use_new_attention_order);
    REQUIRE(config.heads(64, false) == 2);
    TestSource old_rows, new_rows, values;
    const Outcome expected = run(device, config, old_rows);
    for (const auto& [key, extents] : old_rows.asked())
      if (key.find(".qkv.") != std::string::npos)
        new_rows.replace(key, reordered(values.read(key, extents), 2));
    config.use_new_attention_order = true;
    check_same(run(device, config, new_rows), expected);
    CHECK(distance(run(device, config).output, expected.output) > 1e-3);  // unmoved rows are another network
  }
}

TEST_CASE("average and nearest resampling are convolutions with known weights") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    UNetConfig config = small_unets()[0].config;
    config.conv_resample = false;
    const Outcome expected = run(device, config);
    config.conv_resample = true;
    const auto diagonal = [](const float(&taps)[9]) {
      std::vector<float> weights(32 * 32 * 9, 0.f);
      for (std::size_t c = 0; c < 32; ++c) std::copy_n(taps, 9, weights.begin() + std::ptrdiff_t(33 * c * 9));
      return weights;
    };
    TestSource source;
    // Stride 2 and padding 1 put tap (1, 1) on the first pixel of each 2x2 square.
    source.replace("input_blocks.2.0.op.weight", diagonal({0, 0, 0, 0, .25f, .25f, 0, .25f, .25f}));
    source.replace("input_blocks.2.0.op.bias", std::vector<float>(32, 0.f));
    // The way up changes the resolution at 64 channels.
    std::vector<float> centre(64 * 64 * 9, 0.f);
    for (std::size_t c = 0; c < 64; ++c) centre[65 * c * 9 + 4] = 1;
    source.replace("output_blocks.1.2.conv.weight", centre);
    source.replace("output_blocks.1.2.conv.bias", std::vector<float>(64, 0.f));
    check_same(run(device, config, source), expected);
  }
}

TEST_CASE("scale and shift with a scale of 0 add nothing but the shift") {
  // h + e before the norm vanishes when e is the same in all channels of a group only; so the comparison is
  // with no embedding at all: e = 0 on both sides.
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    UNetConfig config = small_unets()[0].config;
    const auto silent = [&](bool scale_shift) {
      config.use_scale_shift_norm = scale_shift;
      TestSource shapes, source;
      { SmallUNet asks(Device::cpu, config, shapes); }
      for (const auto& [key, extents] : shapes.asked())
        if (key.find("emb_layers") != std::string::npos)
          source.replace(key, std::vector<float>(std::size_t(element_count(extents)), 0.f));
      return run(device, config, source);
    };
    check_same(silent(true), silent(false));
  }
}

TEST_CASE("heads: by count, by channels and on the way up") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    UNetConfig config = small_unets()[0].config;  // attends at 64 channels everywhere
    config.num_heads = 4;
    const Outcome four = run(device, config);
    UNetConfig other = config;
    other.num_heads = 1;
    other.num_head_channels = 16;
    check_equal("16 channels a head", run(device, other).output, four.output);
    other = config;
    other.num_heads_upsample = 4;
    check_equal("as many on the way up", run(device, other).output, four.output);
    other.num_heads_upsample = 1;
    const Outcome fewer = run(device, other);
    CHECK(distance(fewer.output, four.output) > 1e-4);
    other.num_heads = 1;
    CHECK(distance(fewer.output, run(device, other).output) > 1e-4);
  }
}

TEST_CASE("classes: one label serves all samples, labels and timesteps matter") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    SmallUNet unet(device, small_unets()[3].config);
    const Shape shape{2, 1, 8, 12};
    const std::vector<float> x = random_values(shape.size(), 5);
    const auto output = [&](std::vector<int> labels, std::vector<float> t) {
      unet.net->set_labels(std::move(labels));
      return unet.forward(x, shape, t);
    };
    const std::vector<float> both = output({4, 4}, {100, 100});
    check_equal("one label", output({4}, {100, 100}), both);
    CHECK(distance(output({4, 3}, {100, 100}), both) > 1e-3);
    CHECK(distance(output({4, 4}, {100, 101}), both) > 1e-5);
  }
}

TEST_CASE("guidance to a class extrapolates from any class; what it pulls back is its gradient") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    SmallUNet unet(device, small_unets()[3].config);
    Context& context = unet.context;
    const Shape shape{2, 1, 8, 12};
    const std::vector<float> x = random_values(shape.size(), 5), g = random_values(shape.size(), 6);
    const NoiseLevel level = make_schedule("linear", 1000).level(300);
    struct Found {
      std::vector<float> eps, dx;
    };
    const auto run = [&](Denoiser& denoiser, const std::vector<int>& labels) {
      unet.net->set_labels(labels);
      const std::unique_ptr<Saved> saved = denoiser.make_saved();
      const Tensor eps = denoiser.forward(context.upload(shape, x), level, saved.get()).eps;
      return Found{context.download(eps),
                   context.download(denoiser.backward(context.upload(shape, g), *saved))};
    };
    const std::vector<int> labels{3, 1}, none{UNet::any_class};
    const Found of_class = run(*unet.net, labels), of_any = run(*unet.net, none);
    CHECK(distance(of_class.eps, of_any.eps) > 1e-3);
    ClassGuidance guided(context, *unet.net, 2.5);
    const Found found = run(guided, labels);
    CHECK(unet.net->labels() == labels);
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK(found.eps[i] == doctest::Approx(2.5 * of_class.eps[i] - 1.5 * of_any.eps[i]).epsilon(1e-5));
      CHECK(found.dx[i] == doctest::Approx(2.5 * of_class.dx[i] - 1.5 * of_any.dx[i]).epsilon(1e-5));
    }
    check_equal("one of each", run(*unet.net, {3, UNet::any_class}).eps, [&] {
      std::vector<float> both = of_class.eps;
      std::copy(of_any.eps.begin() + shape.size() / 2, of_any.eps.end(), both.begin() + shape.size() / 2);
      return both;
    }());
  }
}

TEST_CASE("rescaled timesteps are timesteps") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    const UNetConfig config = small_unets()[0].config;
    Context context(device, 1, true);
    {
      TestSource a, b;
      UNet plain(context, WeightScope(a), config), scaled(context, WeightScope(b), config, 4.0);
      const Tensor x = context.upload({1, 3, 8, 12}, random_values(3 * 8 * 12, 5));
      check_equal("times four", context.download(scaled.forward(x, std::vector<float>{50})),
                  context.download(plain.forward(x, std::vector<float>{200})));
    }
    CHECK(context.pool.damaged_guards() == 0);
  }
}
