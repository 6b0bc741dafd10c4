#include "layers/basic.hpp"

#include <algorithm>

#include "kernels/concat.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/matmul.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {
namespace {

Tensor upload_vector(Context& context, const std::vector<float>& values) {
  return context.upload({1, int(values.size()), 1, 1}, values);
}

// oneDNN adds a bias as it writes; on CUDA we do, in a pass of its own (kernels/convolution.cu says why).
bool bias_takes_a_pass(const Context& context) { return context.device() == Device::cuda; }

}  // namespace

Tensor complete(Context& context, Sum sum) {
  require(!sum.second, "a sum of two maps side by side is a norm's to complete");
  const Tensor plus = sum.plus ? resample(context, sum.resample, context.wide(sum.plus)) : Tensor();
  if (sum.bias)
    add_bias(context.queue, sum.value, sum.value, sum.bias.data(), plus);
  else if (plus)
    add(context.queue, sum.value, sum.value, plus);
  return std::move(sum.value);
}

Tensor joined(Context& context, const Feature& first, const Feature& second) {
  if (!second) return context.wide(first);
  Shape shape = first.shape();
  shape.C += second.shape().C;
  Tensor map = context.features(shape);
  concat_channels(context.queue, map, first, second);
  return map;
}

Conv2d::Conv2d(Context& context, const WeightScope& scope, int in, int out, int kernel, int stride, int pad,
               bool bias, int rank)
    : Conv2d(context, {in, out, kernel, stride, pad < 0 ? kernel / 2 : pad},
             scope.read("weight", rank == 3 ? Extents{out, in, 1} : Extents{out, in, kernel, kernel}),
             bias ? scope.read("bias", {out}) : std::vector<float>()) {
  weight_name_ = scope.key("weight");
  bias_name_ = scope.key("bias");
  if (rank == 3) extents_.pop_back();
  require(rank == 4 || kernel == 1, weight_name_, ": a rank-3 weight is a 1x1 convolution's");
}

Conv2d::Conv2d(Context& context, const ConvolutionGeometry& geometry, const std::vector<float>& weight,
               std::vector<float> bias)
    : extents_{geometry.out, geometry.in, geometry.kernel.h, geometry.kernel.w}, geometry_(geometry) {
  const int in = geometry.in, out = geometry.out;
  const std::size_t taps = std::size_t(geometry.taps());
  require(weight.size() == std::size_t(in) * std::size_t(out) * taps, "a convolution ", in, " -> ", out,
          " with a kernel of ", geometry.kernel, ": ", weight.size(), " weights given");
  geometry_.in = padded_channels(in);
  geometry_.out = padded_channels(out);
  packed_ = context.planar({1, 1, 1, int(convolution_packed_size(context.queue, geometry_))});
  if (geometry_.in == in && geometry_.out == out) {  // as nearly all are: a copy less while weights are read
    convolution_pack(context.queue, packed_, weight.data(), geometry_);
  } else {
    std::vector<float> padded(std::size_t(geometry_.out) * std::size_t(geometry_.in) * taps, 0.f);
    for (int o = 0; o < out; ++o)
      std::copy_n(weight.begin() + std::ptrdiff_t(o * std::size_t(in) * taps), std::size_t(in) * taps,
                  padded.begin() + std::ptrdiff_t(o * std::size_t(geometry_.in) * taps));
    convolution_pack(context.queue, packed_, padded.data(), geometry_);
  }
  if (bias.empty()) return;
  require(bias.size() == std::size_t(out), "a convolution ", in, " -> ", out, ": a bias of ", bias.size());
  bias.resize(std::size_t(geometry_.out), 0.f);
  bias_ = upload_vector(context, bias);
}

Tensor Conv2d::forward(Context& context, const MapView& x) const {
  const Shape& s = x.shape;
  Tensor y =
      context.features({s.N, geometry_.out, geometry_.output_rows(s.H), geometry_.output_columns(s.W)});
  convolution(context.queue, y, x, packed_, bias_.data(), geometry_);
  return y;
}

Tensor Conv2d::forward_without_bias(Context& context, const MapView& x) const {
  const Shape& s = x.shape;
  Tensor y =
      context.features({s.N, geometry_.out, geometry_.output_rows(s.H), geometry_.output_columns(s.W)});
  convolution(context.queue, y, x, packed_, nullptr, geometry_);
  return y;
}

Sum Conv2d::forward_sum(Context& context, const Tensor& x) const {
  if (!bias_takes_a_pass(context)) return {.value = forward(context, x)};
  return {.value = forward_without_bias(context, x), .bias = bias_};
}

void Conv2d::accumulate(Context& context, Sum& y, const Feature& first, const Feature& second,
                        const Tensor& bias) const {
  const bool left = bias_takes_a_pass(context);
  if (left) y.bias = bias;
  const float* const added = left ? nullptr : bias.data();
  if (second)
    convolution_of_parts(context.queue, y.value, context.wide(first), context.wide(second), packed_, added,
                         geometry_);
  else
    convolution(context.queue, y.value, context.wide(first), packed_, added, geometry_, true);
}

Storage Conv2d::operand(Context& context, const Shape& x, bool backward) const {
  return convolution_operand(context.queue, geometry_, x, backward);
}

Tensor Conv2d::backward(Context& context, const MapView& dy, int H, int W) const {
  Tensor dx = context.features({dy.N(), geometry_.in, H, W});
  convolution_backward_data(context.queue, dx, dy, packed_, geometry_);
  return dx;
}

Gradient Conv2d::backward_in_parts(Context& context, const MapView& dy, int H, int W, int first) const {
  if (context.device() == Device::cuda) return {backward(context, dy, H, W)};
  Gradient dx{context.features({dy.N(), first, H, W}),
              context.features({dy.N(), geometry_.in - first, H, W})};
  convolution_backward_data_in_parts(context.queue, dx.first, dx.second, dy, packed_, geometry_);
  return dx;
}

void Conv2d::add_backward(Context& context, Gradient& dx, const Tensor& dy) const {
  if (dx.second)
    convolution_backward_data_in_parts(context.queue, dx.first, dx.second, dy, packed_, geometry_, true);
  else
    convolution_backward_data(context.queue, dx.first, dy, packed_, geometry_, true);
}

void Conv2d::add_gradients(Context& context, Gradients& gradients, const Tensor& dy, const Tensor& x) const {
  convolution_backward_weights(context.queue, gradients.of(packed_),
                               bias_ ? gradients.of(bias_).data : nullptr, x, dy, geometry_);
}

void Conv2d::list_parameters(std::vector<Parameter>& to) {
  to.push_back({weight_name_, extents_, &packed_, geometry_});
  if (bias_) to.push_back({bias_name_, {extents_[0]}, &bias_, {}});
}

Linear::Linear(Context& context, const WeightScope& scope, int in, int out)
    : weight_name_(scope.key("weight")),
      bias_name_(scope.key("bias")),
      in_(in),
      out_(out),
      weight_(context.upload({1, 1, out, in}, scope.read("weight", {out, in}))),
      bias_(upload_vector(context, scope.read("bias", {out}))) {}

Tensor Linear::forward(Context& context, const Tensor& x) const {
  Tensor y = context.planar({x.shape().N, out_, 1, 1});
  const LinearWeights own = map(y);
  linear_maps(context.queue, {&own, 1}, x);
  return y;
}

void Linear::add_backward(Context& context, Tensor& dx, const Tensor& dy) const {
  const int N = dy.shape().N;
  matmul(context.queue, {dx.data(), N, in_, in_, 0, false}, {dy.data(), N, out_, out_, 0, false},
         {weight_.data(), out_, in_, in_, 0, false}, 1, 1.f, 1.f);
}

void Linear::add_gradients(Context& context, Gradients& gradients, const Tensor& dy, const Tensor& x) const {
  const int N = dy.shape().N;
  matmul(context.queue, {gradients.of(weight_).data, out_, in_, in_, 0, false},
         {dy.data(), N, out_, out_, 0, true}, {x.data(), N, in_, in_, 0, false}, 1, 1.f, 1.f);
  add_pixel_sums(context.queue, gradients.of(bias_), dy);
}

void Linear::list_parameters(std::vector<Parameter>& to) {
  to.push_back({weight_name_, {out_, in_}, &weight_, {}});
  to.push_back({bias_name_, {out_}, &bias_, {}});
}

Norm::Norm(Context& context, const WeightScope& scope, int channels, bool silu, Resample how)
    : weight_name_(scope.key("weight")),
      bias_name_(scope.key("bias")),
      gamma_(upload_vector(context, scope.read("weight", {channels}))),
      beta_(upload_vector(context, scope.read("bias", {channels}))),
      silu_(silu),
      how_(how) {
  require(channels % 32 == 0, scope.key("weight"), ": ", channels,
          " channels; 32 groups need a multiple of 32");
}

GroupNormParameters Norm::parameters(const NormInputs& with) const {
  const float* const modulation = with.modulation ? with.modulation->data() : nullptr;
  return {gamma_.data(), beta_.data(), modulation, 32, 1e-5f, silu_, with.x_bias, how_};
}

Feature Norm::forward(Context& context, const Conv2d& reader, const Sum& x, Feature& kept, Tensor& stats,
                      const NormInputs& with) const {
  const bool in_place = context.queue.storage() == Storage::fp32;
  kept = in_place ? Feature(x.value) : context.feature(x.value.shape(), Storage::bf16);
  const SplitMap map(kept, x.second);
  const Shape shape = resampled(how_, map.shape());
  Feature y = context.feature(shape, reader.operand(context, shape));
  stats = context.planar({map.shape().N, 32, 1, 2});
  if (in_place && x.complete())
    group_norm(context.queue, y.to(), stats, map, parameters(with));
  else
    group_norm_of(context.queue, y.to(), stats, kept.to(),
                  {x.value, x.bias.data(), x.plus, x.resample, x.second}, parameters(with));
  return y;
}

Tensor Norm::again(Context& context, const SplitMap& x, const Tensor& stats, const NormInputs& with) const {
  Tensor y = context.features(resampled(how_, x.shape()));
  group_norm_again(context.queue, y, stats, x, parameters(with));
  return y;
}

Feature Norm::again(Context& context, const Conv2d& reader, const SplitMap& x, const Tensor& stats) const {
  const Shape shape = resampled(how_, x.shape());
  Feature y = context.feature(shape, reader.operand(context, shape));
  group_norm_again(context.queue, y.to(), stats, x, parameters({}));
  return y;
}

// What is held at a time decides how large an image may be.
Gradient Norm::backward(Context& context, Gradient dy, const SplitMap& x, const Tensor& stats,
                        const NormInputs& with, const Tensor& plus, Gradients* gradients, Tensor* dmodulation,
                        const Tensor& plus2) const {
  const auto place = [&](const Tensor& from, const MapView& like) {
    const bool over = how_ == Resample::none && from.unique() && from.shape() == like.shape;
    return over ? from : context.features(like.shape);
  };
  Gradient dx{place(dy.first, x.first), x.second ? place(dy.second, x.second) : Tensor()};
  group_norm_backward(context.queue, dx.first, {dy.first, dy.second}, x, stats, parameters(with), plus,
                      gradients_of(context, with, gradients, dmodulation), plus2, dx.second);
  return dx;
}

void Norm::backward_into(Context& context, MutableMapView dx, const Tensor& dy, const SplitMap& x,
                         const Tensor& stats, const NormInputs& with, Gradients* gradients,
                         Tensor* dmodulation) const {
  group_norm_backward(context.queue, dx, dy, x, stats, parameters(with), {},
                      gradients_of(context, with, gradients, dmodulation));
}

GroupNormGradients Norm::gradients_of(Context& context, const NormInputs& with, Gradients* gradients,
                                      Tensor* dmodulation) const {
  if (!gradients) return {};
  GroupNormGradients to{gradients->of(gamma_).data, gradients->of(beta_).data, nullptr};
  if (with.modulation && *with.modulation) {
    *dmodulation = context.planar(with.modulation->shape());
    to.scale_shift = dmodulation->data();
  }
  return to;
}

void Norm::list_parameters(std::vector<Parameter>& to) {
  to.push_back({weight_name_, {gamma_.shape().C}, &gamma_, {}});
  to.push_back({bias_name_, {beta_.shape().C}, &beta_, {}});
}

Tensor resample(Context& context, Resample how, const Tensor& x) {
  if (how == Resample::none) return x;
  Tensor y = context.features(resampled(how, x.shape()));
  if (how == Resample::up)
    upsample_nearest2(context.queue, y, x);
  else
    average_pool2(context.queue, y, x);
  return y;
}

Tensor resample_backward(Context& context, Resample how, const Tensor& dy) {
  if (how == Resample::none) return dy;
  const Shape s = dy.shape();
  if (how == Resample::up) {
    Tensor dx = context.features({s.N, s.C, s.H / 2, s.W / 2});
    upsample_nearest2_backward(context.queue, dx, dy);
    return dx;
  }
  Tensor dx = context.features({s.N, s.C, 2 * s.H, 2 * s.W});
  average_pool2_backward(context.queue, dx, dy);
  return dx;
}

}  // namespace tweedie
