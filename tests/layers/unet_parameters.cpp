// The gradients of all parameters of whole networks, and the arena that holds them.
#include "kernels/elementwise.hpp"
#include "tests/layers/small_unets.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

constexpr int N = 2, H = 8, W = 12;

// A network whose parameters are one vector.
struct Arena {
  SmallUNet unet;
  Parameters parameters;
  Gradients gradients;
  std::vector<float> x, t{10.f, 427.f};
  Shape shape;

  Arena(Device device, const UNetConfig& config)
      : unet(device, config),
        parameters(unet.context, unet.net->list_parameters()),
        gradients(parameters),
        x(random_values(std::int64_t(N) * config.in_channels * H * W, 5)),
        shape{N, config.in_channels, H, W} {
    unet.label(N, 3);
  }
  Context& context() { return unet.context; }
  std::vector<float> read(const Tensor& arena) const {
    std::vector<float> all;
    for (std::size_t i = 0; i < parameters.count(); ++i) {
      const std::vector<float> values = parameters.read(arena, i);
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }
  void write(const std::vector<float>& all) {
    std::size_t at = 0;
    for (std::size_t i = 0; i < parameters.count(); ++i) {
      const std::size_t count = std::size_t(element_count(parameters.extents(i)));
      parameters.write(parameters.values(), i, std::span(all).subspan(at, count));
      at += count;
    }
    REQUIRE(at == all.size());
  }
  std::vector<float> output(const std::vector<float>& all) {
    write(all);
    return unet.forward(x, shape, t);
  }
  // Without setting the gradients to 0 first: they accumulate.
  Tensor add_gradients(const std::vector<float>& cotangent, bool input) {
    const std::unique_ptr<Saved> saved = unet.net->make_training_saved();
    unet.net->forward(context().upload(shape, x), t, saved.get());
    const Shape out{N, unet.config().out_channels, H, W};
    return unet.net->backward(context().upload(out, cotangent), *saved, gradients, input);
  }
};

}  // namespace

TEST_CASE("the gradients of all parameters are the derivative, in every branch") {
  for (const Device device : backends())
    for (const NamedConfig& each : small_unets()) {
      CAPTURE(std::string(name(device)));
      CAPTURE(each.name);
      Arena arena(device, each.config);
      const std::vector<float> start = arena.read(arena.parameters.values());
      const auto f = [&](const std::vector<float>& p) { return arena.output(p); };
      const auto vjp = [&](const std::vector<float>& w) {
        arena.write(start);
        fill(arena.context().queue, arena.gradients.values(), 0);
        arena.add_gradients(w, false);
        return arena.read(arena.gradients.values());
      };
      // All parameters move at once, so that a step is long: h = 1e-3 times the root of their number.
      // Rounding over it gives 1e-3, curvature as much.
      check_vjp(each.name, f, vjp, start, 5e-3, 1e-3);
      arena.write(start);
    }
}

TEST_CASE("gradients of parameters accumulate, and change neither the output's nor the input's") {
  for (const Device device : backends()) {
    const NamedConfig each = small_unets()[1];
    Arena arena(device, each.config);
    const std::vector<float> w = random_values(std::int64_t(N) * each.config.out_channels * H * W, 9);
    const Tensor dx = arena.add_gradients(w, true);
    check_equal("input gradient", arena.context().download(dx),
                arena.unet.pull_back(arena.x, arena.shape, arena.t, w));
    const std::vector<float> once = arena.read(arena.gradients.values());
    CHECK(!arena.add_gradients(w, false));
    std::vector<double> twice;
    for (const float value : once) twice.push_back(2.0 * value);
    check_close("twice", arena.read(arena.gradients.values()), twice, 1e-6);
  }
}

TEST_CASE("the arena holds every parameter once, by its checkpoint's name and shape") {
  for (const Device device : backends())
    for (const NamedConfig& each : small_unets()) {
      CAPTURE(each.name);
      TestSource source;
      SmallUNet unet(device, each.config, source);
      const Parameters parameters(unet.context, unet.net->list_parameters());
      REQUIRE(parameters.count() == source.asked().size());
      CHECK(parameters.learned() == unet.net->parameters());
      TestSource again;
      for (std::size_t i = 0; i < parameters.count(); ++i) {
        REQUIRE(source.asked().contains(parameters.name(i)));
        CHECK(source.asked().at(parameters.name(i)) == parameters.extents(i));
        check_equal(parameters.name(i), parameters.read(parameters.values(), i),
                    again.read(parameters.name(i), parameters.extents(i)));
      }
    }
}

TEST_CASE("gathering changes no output; a state for DPS gives no gradients of parameters") {
  for (const Device device : backends()) {
    const UNetConfig config = small_unets()[3].config;
    SmallUNet plain(device, config);
    plain.label(N, 3);
    Arena arena(device, config);
    check_equal("output", arena.unet.forward(arena.x, arena.shape, arena.t),
                plain.forward(arena.x, arena.shape, arena.t));
    const std::unique_ptr<Saved> saved = arena.unet.net->make_saved();
    arena.unet.net->forward(arena.context().upload(arena.shape, arena.x), arena.t, saved.get());
    const Tensor w = arena.context().planar({N, config.out_channels, H, W});
    CHECK_THROWS_WITH_AS(arena.unet.net->backward(w, *saved, arena.gradients),
                         "U-Net: gradients of parameters need a training state", Error);
  }
}
