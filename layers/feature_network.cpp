#include "layers/feature_network.hpp"

#include <array>

#include "kernels/activation.hpp"
#include "kernels/concat.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/layout.hpp"

namespace tweedie {
namespace {

// Mean and standard deviation of ImageNet's channels, for images in [-1, 1] (lpips, ScalingLayer).
constexpr std::array<float, 3> shift{-0.030f, -0.088f, -0.188f}, scale{0.458f, 0.448f, 0.450f};

Tensor relu(Context& context, Tensor x) {
  leaky_relu(context.queue, x, x, 0);
  return x;
}
void relu_backward(Context& context, Tensor& dy, const Tensor& y) {
  leaky_relu_backward(context.queue, dy, dy, y, 0);
}

Tensor pooled(Context& context, const Tensor& x, const PoolGeometry& g, bool average) {
  const Shape& s = x.shape();
  Tensor y = context.features({s.N, s.C, g.output(s.H), g.output(s.W)});
  (average ? average_pool : max_pool)(context.queue, y, x, g);
  return y;
}

Tensor pooled_backward(Context& context, const Tensor& dy, const Tensor& x, const PoolGeometry& g,
                       bool average) {
  Tensor dx = context.features(x.shape());
  if (average)
    average_pool_backward(context.queue, dx, dy, g);
  else
    max_pool_backward(context.queue, dx, dy, x, g);
  return dx;
}

// The first convolution takes images without their statistics divided out: its weights are divided instead.
// Padding is 0 either way, as the mean has been subtracted.
Conv2d scaled_convolution(Context& context, const WeightScope& scope, int in, int out, int kernel, int stride,
                          int pad) {
  std::vector<float> weight = scope.read("weight", {out, in, kernel, kernel});
  const std::size_t taps = std::size_t(kernel) * std::size_t(kernel);
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] /= scale[i / taps % scale.size()];
  return Conv2d(context, {in, out, kernel, stride, pad}, weight, scope.read("bias", {out}));
}

}  // namespace

const char* name(Trunk trunk) {
  return trunk == Trunk::alex ? "alex" : trunk == Trunk::vgg ? "vgg" : "squeeze";
}

Trunk parse_trunk(const std::string& text) {
  for (const Trunk trunk : {Trunk::alex, Trunk::vgg, Trunk::squeeze})
    if (text == name(trunk)) return trunk;
  throw Error(message("LPIPS has no network '", text, "', expected alex, vgg or squeeze"));
}

FeatureNetwork::FeatureNetwork(Context& context, const WeightScope& scope, Trunk trunk, TrunkPooling pooling)
    : context_(context), scope_(scope.sub("features")) {
  require(pooling == TrunkPooling::maximum || trunk == Trunk::vgg,
          "LPIPS: average pooling is vgg's alone, not ", name(trunk), "'s");
  if (trunk == Trunk::alex)
    build_alex();
  else if (trunk == Trunk::vgg)
    build_vgg(pooling);
  else
    build_squeeze();
  minus_shift_ = context.upload({1, 3, 1, 1}, std::array{-shift[0], -shift[1], -shift[2]});
}

WeightScope FeatureNetwork::layer_scope(int index) const { return scope_.sub(std::to_string(index)); }

void FeatureNetwork::add_convolution(int index, int in, int out, int kernel, int stride, int pad, bool tap) {
  const WeightScope scope = layer_scope(index);
  if (steps_.empty())
    steps_.push_back({scaled_convolution(context_, scope, in, out, kernel, stride, pad), tap});
  else
    steps_.push_back({Conv2d(context_, scope, in, out, kernel, stride, pad), tap});
  if (tap) tap_channels_.push_back(out);
}

void FeatureNetwork::add_fire(int index, int in, int squeeze, int expand, bool tap) {
  const WeightScope scope = layer_scope(index);
  steps_.push_back({Fire{Conv2d(context_, scope.sub("squeeze"), in, squeeze, 1),
                         Conv2d(context_, scope.sub("expand1x1"), squeeze, expand, 1),
                         Conv2d(context_, scope.sub("expand3x3"), squeeze, expand, 3)},
                    tap});
  if (tap) tap_channels_.push_back(2 * expand);
}

void FeatureNetwork::build_alex() {
  const Pool halve{{3, 2}, false};
  add_convolution(0, 3, 64, 11, 4, 2, true);
  steps_.push_back({halve});
  add_convolution(3, 64, 192, 5, 1, 2, true);
  steps_.push_back({halve});
  add_convolution(6, 192, 384, 3, 1, 1, true);
  add_convolution(8, 384, 256, 3, 1, 1, true);
  add_convolution(10, 256, 256, 3, 1, 1, true);
  least_side_ = 31;
}

void FeatureNetwork::build_vgg(TrunkPooling pooling) {
  const Pool halve{{2, 2}, pooling == TrunkPooling::average};
  int index = 0, in = 3;
  for (const auto& [channels, convolutions] : {std::pair{64, 2}, {128, 2}, {256, 3}, {512, 3}, {512, 3}}) {
    if (index > 0) {
      steps_.push_back({halve});
      ++index;
    }
    for (int k = 0; k < convolutions; ++k, index += 2) {  // a convolution and its ReLU
      add_convolution(index, in, channels, 3, 1, 1, k == convolutions - 1);
      in = channels;
    }
  }
  least_side_ = 16;
}

void FeatureNetwork::build_squeeze() {
  const Pool halve{{3, 2, 0, true}, false};
  add_convolution(0, 3, 64, 3, 2, 0, true);
  steps_.push_back({halve});
  add_fire(3, 64, 16, 64, false);
  add_fire(4, 128, 16, 64, true);
  steps_.push_back({halve});
  add_fire(6, 128, 32, 128, false);
  add_fire(7, 256, 32, 128, true);
  steps_.push_back({halve});
  add_fire(9, 256, 48, 192, true);
  add_fire(10, 384, 48, 192, true);
  add_fire(11, 384, 64, 256, true);
  add_fire(12, 512, 64, 256, true);
  // 17 -> 8 -> 4 -> 2 -> 1: a window of 3 must fit before its last one may overhang.
  least_side_ = 17;
}

Tensor FeatureNetwork::enter(const Tensor& x) const {
  const Shape& s = x.shape();
  require(s.C == 3, "LPIPS takes images of 3 channels, not ", s.C);
  require(s.H >= least_side_ && s.W >= least_side_, "LPIPS: an image of ", s.W, "x", s.H,
          " pixels; this network takes sides of ", least_side_, " and more");
  Tensor shifted = context_.planar(s);
  add_bias(context_.queue, shifted, x, minus_shift_.data());
  Tensor features = context_.features({s.N, padded_channels(s.C), s.H, s.W});
  convert_layout(context_.queue, features, shifted);
  return features;
}

Tensor FeatureNetwork::step_forward(const Step& step, const Tensor& x, Tensor* squeezed) const {
  if (const auto* convolution = std::get_if<Conv2d>(&step.layer))
    return relu(context_, convolution->forward(context_, x));
  if (const auto* pool = std::get_if<Pool>(&step.layer))
    return pooled(context_, x, pool->geometry, pool->average);
  const Fire& fire = std::get<Fire>(step.layer);
  Tensor inner = relu(context_, fire.squeeze.forward(context_, x));
  const Tensor one = fire.expand1.forward(context_, inner), three = fire.expand3.forward(context_, inner);
  const Shape& s = one.shape();
  Tensor y = context_.features({s.N, 2 * s.C, s.H, s.W});
  concat_channels(context_.queue, y, one, three);
  if (squeezed) *squeezed = std::move(inner);
  return relu(context_, std::move(y));
}

Tensor FeatureNetwork::step_backward(const Step& step, Tensor dy, const Tensor& x, const Tensor& y,
                                     const Tensor& squeezed) const {
  const Shape& in = x.shape();
  if (const auto* pool = std::get_if<Pool>(&step.layer))
    return pooled_backward(context_, dy, x, pool->geometry, pool->average);
  relu_backward(context_, dy, y);
  if (const auto* convolution = std::get_if<Conv2d>(&step.layer))
    return convolution->backward(context_, dy, in.H, in.W);
  const Fire& fire = std::get<Fire>(step.layer);
  const Shape& s = dy.shape();
  Tensor one = context_.features({s.N, s.C / 2, s.H, s.W}), three = context_.features(one.shape());
  split_channels(context_.queue, one, three, dy);
  Tensor inner = fire.expand1.backward(context_, one, s.H, s.W);
  add(context_.queue, inner, inner, fire.expand3.backward(context_, three, s.H, s.W));
  relu_backward(context_, inner, squeezed);
  return fire.squeeze.backward(context_, inner, in.H, in.W);
}

std::vector<Tensor> FeatureNetwork::forward(const Tensor& x, Saved* saved) const {
  Tensor value = enter(x);
  if (saved) {
    saved->image = x.shape();
    saved->values.assign(1, value);
    saved->squeezed.assign(steps_.size(), {});
  }
  std::vector<Tensor> taps;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    value = step_forward(steps_[i], value, saved ? &saved->squeezed[i] : nullptr);
    if (saved) saved->values.push_back(value);
    if (steps_[i].tap) taps.push_back(value);
  }
  return taps;
}

Tensor FeatureNetwork::backward(std::vector<Tensor> dtaps, const Saved& saved) const {
  require(dtaps.size() == tap_channels_.size() && saved.values.size() == steps_.size() + 1,
          "LPIPS: gradients of ", dtaps.size(), " taps, there are ", tap_channels_.size());
  Tensor d;  // the last step is tapped
  for (std::size_t i = steps_.size(); i-- > 0;) {
    if (steps_[i].tap) {
      if (d)
        add(context_.queue, d, d, dtaps.back());
      else
        d = std::move(dtaps.back());
      dtaps.pop_back();
    }
    d = step_backward(steps_[i], std::move(d), saved.values[i], saved.values[i + 1], saved.squeezed[i]);
  }
  Tensor dx = context_.planar(saved.image);
  convert_layout(context_.queue, dx, d);
  return dx;
}

}  // namespace tweedie
